"""A command line as cmd.exe and Windows programs take it."""

import re

LONGEST = 8_191
LONGEST_WITHOUT_CMD = 32_767


def spoiled(line: str) -> str:
    """What cmd.exe would make something else of: the first such piece, or "". Inside quotes only % counts."""
    outside = re.sub(r'"[^"]*"', "", line)
    found = re.search(r"[&|<>^\r\n]", outside) or re.search(r"%\w+%", line)
    return found[0] if found else ""


def split(line: str) -> list[str]:
    """The words of a command line as CommandLineToArgvW has them."""
    words: list[str] = []
    word: str | None = None
    quoted = False
    i = 0
    while i < len(line):
        slashes = 0
        while i + slashes < len(line) and line[i + slashes] == "\\":
            slashes += 1
        if slashes:
            i += slashes
            if line[i : i + 1] != '"':
                word = (word or "") + "\\" * slashes
            else:
                word = (word or "") + "\\" * (slashes // 2)
                if slashes % 2:
                    word, i = word + '"', i + 1
            continue
        character, i = line[i], i + 1
        if character == '"':
            word, quoted = word or "", not quoted
        elif character in " \t" and not quoted:
            if word is not None:
                words.append(word)
            word = None
        else:
            word = (word or "") + character
    return words if word is None else [*words, word]
