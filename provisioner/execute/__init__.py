"""A plan done, wave by wave: lease, re-read, act, prove, journal; stop past the budget, go on when called again.

`Run` (run.py) is what a run knows, and what is done to it are functions. The files import upwards never: events, ports,
judge, budget, shards, failpoints, estimate, admission, approving | run | claims, schedule, timing, act, start, manual,
rows, recovery | wave, retry, engine | by_ansible. What undoing.py makes is a plan as any other.
"""
