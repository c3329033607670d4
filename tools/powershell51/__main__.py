"""python -m tools.powershell51 [--allow FILE] [--notes] SCRIPT ...: what Windows PowerShell 5.1 has not, a line each.

Exit code 1 where there is a finding, 2 where the check could not be made. README.md says what each rule is.
"""

import argparse
import sys
from pathlib import Path

from tools.powershell51.check import check
from tools.powershell51.engine import Engine, NoEngine
from tools.powershell51.looking import Allowed


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.powershell51", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--pwsh", help="the engine; pwsh of PATH if not given")
    parser.add_argument(
        "--allow",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="a command or [Type.*] of others on each line",
    )
    parser.add_argument("--notes", action="store_true", help="also what 5.1 takes and does otherwise")
    parser.add_argument("--apart", action="store_true", help="no script knows the functions of another one")
    parser.add_argument("scripts", nargs="+", type=Path, metavar="SCRIPT")
    given = parser.parse_args()
    try:
        names = [line for file in given.allow for line in file.read_text("utf-8").splitlines()]
        for script in given.scripts:
            script.read_text("utf-8")
        groups = [[script] for script in given.scripts] if given.apart else [given.scripts]
        with Engine(given.pwsh) as engine:
            findings = check(engine, groups, Allowed.of(names))
    except (OSError, UnicodeDecodeError, NoEngine) as error:
        print(f"powershell51: {error}", file=sys.stderr)
        return 2
    for finding in findings:
        if given.notes or not finding.is_note:
            print(f"{finding.script}:{finding.line}: {finding.rule}: {finding.words}")
    return int(any(not finding.is_note for finding in findings))


if __name__ == "__main__":
    sys.exit(main())
