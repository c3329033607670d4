"""Audit, prepare and prove the SystmOne gateways of many GP practices, over WinRM."""

__version__ = "0.1.0"
