"""The shape of NHS organisation codes, and what to say of one that is not a practice's.

Sources: the ODS guide of NHS England and the validators of NHS programmes, gathered in docs/operations.md,
"Practice codes". A code's shape is not proof that the practice exists: the national list is (ods.py).
"""

import re

_PRACTICE = re.compile(r"(?:[A-HJ-NP-WY]\d{5}|(?:ALD|GUE|JER)\d{3})")
_BRANCH = re.compile(r"(?:[A-HJ-NP-WY]\d{5}|(?:ALD|GUE|JER)\d{3})[A-Z0-9]{3}")
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
    if _BRANCH.fullmatch(code):
        return f"{code} is a branch surgery's code: give its parent practice, {code[:6]}."
    repaired = code[:1] + code[1:].replace("O", "0").replace("I", "1").replace("L", "1")
    if repaired != code and _PRACTICE.fullmatch(repaired):
        return f"{code} has a letter where a digit belongs: is it {repaired}?"
    return f"{code} is not a practice code: one letter and five digits, such as A81001."
