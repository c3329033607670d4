"""How accounts of Windows are compared."""

# Windows writes its own accounts in several ways.
_ACCOUNTS = {
    "localsystem": "system",
    "local system": "system",
    "local service": "localservice",
    "network service": "networkservice",
}


def account_key(name: str) -> str:
    """An account as it is compared, whichever of its names Windows gives."""
    key = name.strip().lower().removeprefix("nt authority\\").removeprefix(".\\")
    return _ACCOUNTS.get(key, key)
