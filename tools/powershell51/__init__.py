"""Holds PowerShell scripts against the recorded surface of Windows PowerShell 5.1 and .NET Framework: see README.md."""
