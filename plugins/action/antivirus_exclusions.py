"""The work of the role `antivirus`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from provisioner.ansible.work import Values, Work


class ActionModule(Work):
    """The action `antivirus_exclusions`: Defender leaves the Connector alone, or does no more."""

    SPEC: ClassVar[Values] = {
        "state": {"type": "str", "choices": ["present", "absent", "restored"], "default": "present"},
        "paths": {"type": "list", "elements": "str", "default": []},
        "processes": {"type": "list", "elements": "str", "default": []},
        "before": {"type": "dict", "default": {}},
    }

    def act(self, given: Values) -> Values:
        """Errors: Failed where Defender does not apply them, or nothing is known of what was there."""
        if given["state"] == "restored":
            return self._restored(given)
        part = "Defender leaves the Connector alone"
        return self._ask(part, given["paths"], given["processes"], given["state"])

    def _restored(self, given: Values) -> Values:
        before = given["before"]
        if not {"path", "process"} <= before.keys():
            why = "Nothing is known of the exclusions that were there before. Nothing was changed."
            raise self.refused("Refuse what cannot be undone", why)
        paths, processes = _in(given["paths"], before["path"]), _in(given["processes"], before["process"])
        part = "Remove the exclusions that were not there"
        removed = self._ask(part, _not_in(given["paths"], paths), _not_in(given["processes"], processes), "absent")
        there: Values = {"path": [], "process": []}
        if paths or processes:
            # Whether Defender applied them before is nobody's matter here: it is only asked where one of them has gone.
            asked = self.do(
                "Ask whether those that were there still are",
                "defender_exclusion",
                check=True,
                diff=False,
                path=paths,
                process=processes,
                state="present",
            )
            there = asked["before"]
            if asked["changed"]:
                self._ask("Put back the exclusions that were there", paths, processes, "present")
        return {name: [*removed[name], *there[name]] for name in ("path", "process")}

    def _ask(self, part: str, paths: list[str], processes: list[str], state: str) -> Values:
        before: Values = self.do(part, "defender_exclusion", path=paths, process=processes, state=state)["before"]
        return before


def _in(names: Iterable[str], known: Any) -> list[str]:
    return [name for name in names if name in known]


def _not_in(names: Iterable[str], known: Any) -> list[str]:
    return [name for name in names if name not in known]
