"""The work of the role `power`."""

from __future__ import annotations

from typing import Any, ClassVar

from provisioner.ansible.work import Values, Work

_TIMES = ("sleep_seconds", "hibernate_seconds")


class ActionModule(Work):
    """The action `power_times`: when the PC sleeps on mains power."""

    SPEC: ClassVar[Values] = {
        "state": {"type": "str", "choices": ["present", "absent", "restored"], "default": "present"},
        "sleep_seconds": {"type": "int", "default": 0},
        "hibernate_seconds": {"type": "int", "default": 0},
        "before": {"type": "dict", "default": {}},
    }

    def act(self, given: Values) -> Values:
        """Errors: Failed where a policy sets another time, or another plan is active than was."""
        if given["state"] == "absent":
            return {}
        if given["state"] == "restored":
            times = self._as_they_were(given["before"])
            return self._set("When the PC sleeps on mains power, as it was", times)
        return self._set("When the PC sleeps on mains power", {name: given[name] for name in _TIMES})

    def _as_they_were(self, before: Values) -> dict[str, Any]:
        known: dict[str, Any] = {name: before.get(name) or 0 for name in _TIMES}
        asked = self.do("Look at the active plan", "power_setting", check=True, diff=False, **known)
        now = asked["before"]
        why = (
            "nothing is known of what was there before"
            if before.get("plan") is None
            else f"the power plan {before['plan']} is active no longer, but {now['plan']}"
            if before["plan"] != now["plan"]
            else ""
        )
        if why:
            raise self.refused(
                "Refuse what cannot be undone",
                f"The times before this PC sleeps cannot be put back: {why}. Nothing was changed.",
            )
        # A time that Windows had no value for stays as it is now.
        return {name: before[name] if before[name] is not None else now[name] for name in _TIMES}

    def _set(self, part: str, times: Values) -> Values:
        before: Values = self.do(part, "power_setting", **times)["before"]
        return before
