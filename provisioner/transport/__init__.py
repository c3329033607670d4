"""Getting into a gateway: one WinRM session, its HTTP, the log-in and its guard; and why that failed (diagnosis)."""
