"""How people are reached: the team's own contact in fleet.yml, and the columns of practices.csv that hold addresses.
Pure."""

import re
from collections.abc import Iterator
from typing import Final

from provisioner.model.settings import Contact

# A column `OWNER_email` of practices.csv says where that owner of a gap is written to, gateway by gateway. The owners
# as a policy names them, with `_` for `-`; and those who hear of a run before it.
EMAIL: Final = "_email"
OWNERS = ("practice", "icb_it", "desktop", "network", "antivirus", "vendor", "tpp", "security")
COLUMNS = frozenset(f"{owner}{EMAIL}" for owner in OWNERS)

# What a mail program takes: one plain address. RFC 5321, section 4.5.3.1: 64 characters, and 254 in all.
_EMAIL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._%+'&-]{0,63}@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}")
_TELEPHONE = re.compile(r"\+?[0-9][0-9 ()-]*(?: ?(?:ext\.?|x) ?[0-9]{1,6})?", re.I)


def why_not_email(text: str) -> str:
    """Why this is no address that can be written to; "" where it is."""
    return "" if _EMAIL.fullmatch(text) and len(text) <= 254 else f"{_short(text)} is no e-mail address."


def why_not_telephone(text: str) -> str:
    """Why this is no telephone number; "" where it is. An extension may follow: 01670 123456 ext 12."""
    digits = sum(letter.isdigit() for letter in re.split(r"[a-z]", text, maxsplit=1, flags=re.I)[0])
    return "" if _TELEPHONE.fullmatch(text) and 3 <= digits <= 15 else f"{_short(text)} is no telephone number."


def complaints(contact: Contact) -> Iterator[tuple[str, str, str]]:
    """What is wrong with fleet.yml's contact: the setting, a message and a hint."""
    if contact.email and (why := why_not_email(contact.email)):
        yield "email", why, "One address, such as gp-it@example.nhs.uk."
    if contact.telephone and (why := why_not_telephone(contact.telephone)):
        yield "telephone", why, "Such as 01670 123456, or +44 1670 123456 ext 12."
    if len(contact.name) > 100 or not contact.name.isprintable():
        yield "name", "contact.name is no name that fits on a line.", "Such as: GP IT service desk."


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:60] + "...")
