"""What Ansible looks for in a module's text, by fewer lines: it tries eight patterns on each line of each script that a
module brings along, thousands for every module that is run, and all of them begin alike."""

import re
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any

from ansible.executor.powershell.module_manifest import PSModuleDepFinder

# What it looks for: `#Requires`, `#AnsibleRequires` and, in C#, `using`, at a line's very beginning.
_TOLD = re.compile(rb"^(?:#|using\s).*$", re.IGNORECASE | re.MULTILINE)

Scan = Callable[..., set[str]]


@lru_cache(maxsize=64)
def told(text: bytes) -> bytes:
    """The lines of a script that may say what it needs, in their order."""
    return b"\n".join(_TOLD.findall(text))


def by_fewer_lines(scan: Scan) -> Scan:
    """The same search, shown only these lines of a text."""

    @wraps(scan)
    def scanned(finder: PSModuleDepFinder, module_data: bytes, *given: Any, **named: Any) -> set[str]:
        return scan(finder, told(module_data), *given, **named)

    return scanned


def install() -> None:
    """Let Ansible's search in this process, and in its forks, see these lines only."""
    PSModuleDepFinder.scan_module = by_fewer_lines(PSModuleDepFinder.scan_module)
