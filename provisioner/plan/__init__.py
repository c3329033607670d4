"""Findings -> steps, in waves: what would be changed, what may not be, the way back, and how each is proved. Pure."""
