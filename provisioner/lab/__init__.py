"""A fleet of pretend gateways: real WinRM on loopback, machines with a state, faults by name.

One process serves them all. server.py speaks HTTP, login.py lets in, soap.py and shell.py speak WS-Management and
WinRS, commands.py knows what a command does, machine.py what a gateway is. process.py starts and ends it,
control.py asks it. Tests use `running`.
"""

from provisioner.lab.process import Handle, down, running, up

__all__ = ["Handle", "down", "running", "up"]
