"""A fleet of pretend gateways: real WinRM on loopback, machines with a state, faults by name.

One process serves them all. `wsman/` speaks HTTP, lets in, speaks WS-Management and WinRS and knows what a command
does; `windows/` is what a gateway is; `modules/` are Ansible's modules there, by name; `estate/` what stands in a
practice and drifts; `process/` starts and ends it all, and asks it. Tests use `running`.
"""

import importlib.util

from provisioner.errors import LabError

if importlib.util.find_spec("aiohttp") is None:
    raise LabError("The lab needs aiohttp, which is not installed.", "pip install 'provisioner[lab]'")

from provisioner.lab.process.client import Handle, down, running, up

__all__ = ["Handle", "down", "running", "up"]
