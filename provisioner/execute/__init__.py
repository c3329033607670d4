"""A plan done, wave by wave: lease, re-read, act, prove, journal; stop past the budget, go on when called again."""
