"""The shape of NHS organisation codes, and what to say of one that is not a practice's.

Sources: the ODS guide of NHS England and the validators of NHS programmes, gathered in docs/operations.md,
"Practice codes". A code's shape is not proof that the practice exists: the national list is (ods.py).
"""

import re

from provisioner.errors import LOOKS_LIKE

_SHAPE = r"(?:[A-HJ-NP-WY][0-9]{5}|(?:ALD|GUE|JER)[0-9]{3})"
_PRACTICE = re.compile(_SHAPE)
_BRANCH = re.compile(_SHAPE + r"[A-Z0-9]{3}")
_DOCTOR = re.compile(r"G[0-9]{7}")
_COMMISSIONER = re.compile(r"[0-9]{2}[A-Z]|[A-Z][0-9][A-Z][0-9][A-Z]|Q[A-Z0-9]{2}")
_DUMMIES = frozenset({"V81997", "V81998", "V81999"})


def normal(code: str) -> str:
    """A code as it is written: upper case, without blanks around it."""
    return code.strip().upper()


def why_not_practice(code: str) -> str:
    """Why a code (as `normal` gives it) cannot be a practice's, in words; "" where its shape is right."""
    if code in _DUMMIES:
        return f"{code} is the national dummy code for patients without a practice."
    if _PRACTICE.fullmatch(code):
        return ""
    if not code:
        return "there is no practice code."
    if _BRANCH.fullmatch(code):
        return f"{code} is a branch surgery's code: give its parent practice, {code[:6]}."
    if _DOCTOR.fullmatch(code):
        return f"{code} is a doctor's own code: give the practice's."
    if _COMMISSIONER.fullmatch(code):
        return f"{code} is a commissioner's code: give the practice's, such as A81001."
    for letters in (1, 3):
        repaired = code[:letters] + code[letters:].translate(LOOKS_LIKE)
        if _PRACTICE.fullmatch(repaired):
            return f"{code} has a letter where a digit belongs: is it {repaired}?"
    return f"{_shown(code)} is not a practice code: one letter and five digits, such as A81001."


def _shown(code: str) -> str:
    """As it is where that can be read, else escaped; never long."""
    short = code if len(code) <= 20 else code[:20] + "..."
    return short if short.isascii() and short.isprintable() and " " not in short else ascii(short)
