"""How accounts of Windows are compared."""

# Windows writes its own accounts in several ways.
_ACCOUNTS = {
    "localsystem": "system",
    "local system": "system",
    "local service": "localservice",
    "network service": "networkservice",
    # German, Norwegian: as the Windows of that language names them [docs/windows.md, "service"].
    "lokaler dienst": "localservice",
    "netzwerkdienst": "networkservice",
    "lokal tjeneste": "localservice",
}
_AUTHORITIES = ("nt authority", "nt-autorit\u00e4t", "nt-myndighet")


def account_key(name: str) -> str:
    """An account as it is compared, whichever of its names Windows gives."""
    key = name.strip().lower().removeprefix(".\\")
    authority, _, account = key.rpartition("\\")
    if authority in _AUTHORITIES:
        key = account
    return _ACCOUNTS.get(key, key)
