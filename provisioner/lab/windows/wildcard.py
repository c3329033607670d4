"""PowerShell's wildcards (about_Wildcards): *, ?, [abc], [a-c], and a backtick before what is meant as it is."""

import re


class BadPattern(ValueError):
    """A pattern with a bracket that is not closed, in PowerShell's words."""

    def __init__(self, pattern: str) -> None:
        super().__init__(f"The specified wildcard character pattern is not valid: {pattern}")


def has_wildcards(text: str) -> bool:
    """Whether a text is a pattern: it has one of * ? [ ] that no backtick stands before."""
    return re.search(r"(?<!`)(?:``)*[*?\[\]]", text) is not None


def matcher(pattern: str) -> re.Pattern[str]:
    """The expression that fits a whole name as -like does, without regard to case. Errors: BadPattern."""
    done, at = "", 0
    while at < len(pattern):
        character = pattern[at]
        at += 1
        if character == "`" and at < len(pattern):
            done += re.escape(pattern[at])
            at += 1
        elif character == "[":
            end = pattern.find("]", at + 1)
            if end < 0:
                raise BadPattern(pattern)
            done += _set(pattern[at:end])
            at = end + 1
        else:
            done += {"*": ".*", "?": "."}.get(character, re.escape(character))
    return re.compile(done, re.IGNORECASE | re.DOTALL)


def _set(inside: str) -> str:
    """What stands in brackets: PowerShell knows ranges in it, and no negation."""
    return "[" + re.sub(r"[\\^\[\]&~|]", r"\\\g<0>", inside) + "]"
