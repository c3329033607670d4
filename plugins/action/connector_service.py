"""The work of the role `service`."""

from __future__ import annotations

import re
import time
from typing import Any, ClassVar

from provisioner.ansible import ours, package
from provisioner.ansible.ours import Ours
from provisioner.ansible.package import Unpacking
from provisioner.ansible.work import Values, Work

# What the role tells procrun.
_TOLD = ("Mode", "Image", "WorkingPath", "Params")
_KINDS = {
    "REG_SZ": "string",
    "REG_EXPAND_SZ": "expandstring",
    "REG_MULTI_SZ": "multistring",
    "REG_DWORD": "dword",
    "REG_QWORD": "qword",
}
_PASSWORDLESS = re.compile(r"LocalSystem|NT AUTHORITY\\.+|NT SERVICE\\.+|.+\$", re.IGNORECASE)
_REGEDIT = "ansible.windows.win_regedit"
_BY_ITSELF = ("auto", "delayed")


class ActionModule(Work):
    """The action `connector_service`: the Windows service that runs the Connector.

    It starts none unless `run` says so. With a `procrun` Apache procrun hosts it in exe mode, so that the program that
    runs is really java.exe: what the firewall and the antivirus are told.
    """

    SPEC: ClassVar[Values] = {
        **ours.OPTIONS,
        "state": {
            "type": "str",
            "choices": ["present", "started", "absent", "disabled", "restored"],
            "default": "present",
        },
        "name": {"type": "str", "required": True},
        "display_name": {"type": "str", "default": ""},
        "run": {"type": "str", "choices": ["started", "stopped", "unchanged"], "default": "unchanged"},
        "start_mode": {"type": "str", "choices": ["delayed", "disabled"], "default": "delayed"},
        "account": {"type": "str", "required": True},
        "image": {"type": "str", "required": True},
        "arguments": {"type": "str", "default": ""},
        "directory": {"type": "str", "required": True},
        "procrun": {"type": "dict"},
        "procrun_path": {"type": "str", "default": ""},
        "restart_after": {"type": "list", "elements": "int", "required": True},
        "settle_tries": {"type": "int", "default": 10},
        "settle_delay": {"type": "int", "default": 3},
        "before": {"type": "dict", "default": {}},
    }

    def act(self, given: Values) -> Values:
        """Errors: Failed; nothing was changed where it takes no order, or where what was there cannot be put back."""
        at, found = Ours.of(given), self._settled(given)
        # Whether what hosts it is changed, and so told of: one that is only started, or stopped and disabled, keeps it.
        hosted = given["procrun"] is not None and given["state"] not in ("started", "disabled")
        told = self._procrun(given) if hosted else {}
        do = {
            "present": self._hosted if given["procrun"] is not None else self._vendors,
            "started": self._started,
            "absent": self._absent,
            "disabled": self._disabled,
            "restored": self._restored,
        }[given["state"]]
        before, program = do(given, at, found)
        return {
            "exists": bool(before),
            **(before or {}),
            **({"program": program, "procrun": told} if hosted else {}),
        }

    def _settled(self, given: Values) -> dict[str, Any] | None:
        """The service, if there is one. One that is just being started or stopped takes no order, and is neither: how
        that ends is waited for."""
        part = "Look whether the service is there, and runs"
        for tries_left in range(given["settle_tries"], -1, -1):
            found = ours.services(self, part, given["name"])
            pending = [one["state"] for one in found if str(one["state"]).endswith("_pending")]
            if not pending:
                return found[0] if found else None
            if tries_left:
                time.sleep(given["settle_delay"])
        words = (
            f"The service {given['name']} is {pending[0]}, and that does not end: it takes no order. Nothing was "
            "changed. End it on the PC, or restart that, and give the same command again"
        )
        raise self.refused("One that does not come to rest is let be", words)

    def _procrun(self, given: Values) -> dict[str, Any]:
        """What procrun was told, if it knew this service; `start` None: it knew it and was told nothing."""
        service, start = (
            self.do("Look what procrun was told", "ansible.windows.win_reg_stat", path=f"{_key(given)}{below}")
            for below in ("", r"\Parameters\Start")
        )
        values = {name: value for name, value in (start.get("properties") or {}).items() if name in _TOLD}
        return {"exists": service["exists"], "start": values if start["exists"] else None}

    def _vendors(self, given: Values, at: Ours, found: dict[str, Any] | None) -> tuple[Any, Any]:
        """The vendor's installer made it: only what matters here is set, its path is its own."""
        if found is None and not self.check:
            words = (
                f"There is no service {given['name']} on this gateway: the Connector's installer made none, and the "
                "fleet names no procrun package that could run it. Ask the vendor for the service's name, or give "
                "packages.procrun."
            )
            raise self.refused("There must be one", words)
        return (_before(self._configure(given, found)) if found is not None else None), None

    def _hosted(self, given: Values, at: Ours, found: dict[str, Any] | None) -> tuple[Any, Any]:
        ours.close_ours(self, at)
        unpacking = Unpacking(package=given["procrun"], destination=given["procrun_path"], member="prunsrv.exe")
        done = package.put(self, at, unpacking)
        # Blanks part them, but not within quotes.
        words = re.findall(r'(?:"[^"]*"|[^ "])+', given["arguments"])
        params = [word.replace('"', "") for word in words]
        retold = [
            self._tell(given, "Tell procrun what to run", name, data, kind, there=bool(data))
            for name, data, kind in (
                ("Mode", "exe", "string"),
                ("Image", given["image"], "string"),
                ("WorkingPath", given["directory"], "string"),
                ("Params", params, "multistring"),
            )
        ]
        set_ = self._configure(given, found)
        was = found or {}
        # What was told is read at the next start alone: until then the old program runs on, for which neither the
        # firewall nor the antivirus has a rule any more.
        if (
            given["run"] == "unchanged"
            and at.restart
            and was.get("state") == "started"
            and (any(retold) or was.get("path") != set_.get("path", was.get("path")))
        ):
            ours.service(
                self, "Start it again, where it runs what it was told before", given["name"], state="restarted"
            )
        return _before(set_), done.before

    def _started(self, given: Values, at: Ours, found: dict[str, Any] | None) -> tuple[Any, Any]:
        """One that was set and proved a moment ago: its program, and what procrun was told, are there."""
        if found is None and not self.check:
            words = f"There is no service {given['name']} on this gateway any more. Nothing was changed: plan again."
            raise self.refused("There must be one", words)
        # In a rehearsal the one that would have been made before is not there, and nothing can be asked of it.
        return (_before(self._configure({**given, "run": "started"}, found)) if found is not None else None), None

    def _tell(self, given: Values, part: str, name: str, data: Any, kind: str, *, there: bool) -> bool:
        told = self.do(
            part,
            _REGEDIT,
            path=f"{_key(given)}\\Parameters\\Start",
            name=name,
            data=data,
            type=kind,
            state="present" if there else "absent",
        )
        return bool(told["changed"])

    def _configure(self, given: Values, found: dict[str, Any] | None) -> dict[str, Any]:
        was, run = found or {}, given["run"]
        # One that is paused has its process, and goes on when it is told to.
        runs = was.get("state", "stopped") != "stopped"
        # Windows would start a service that starts by itself at its next restart, past every guard of ours: only one
        # that is started, or runs already, or starts by itself as it is, is made so. Any other is left as it is.
        mode: str | None = None if found else "manual"
        if given["start_mode"] == "disabled" or run == "started" or runs or was.get("start_mode") in _BY_ITSELF:
            mode = given["start_mode"]
        hosted = given["procrun"] is not None
        return ours.service(
            self,
            "Configure the service",
            given["name"],
            # The difference is the only way in which the module says what was there.
            diff=True,
            display_name=given["display_name"] or None,
            path=f'"{given["procrun_path"]}" //RS//{given["name"]}' if hosted else None,
            start_mode=mode,
            username=given["account"] if hosted else None,
            failure_actions=[{"type": "restart", "delay_ms": seconds * 1000} for seconds in given["restart_after"]],
            # An exit with an error code is no crash to Windows, and a Java program that gives up does just that.
            failure_actions_on_non_crash_failure=True,
            failure_reset_period_sec=86400,
            state=None if run == "unchanged" else run,
        )

    def _disabled(self, given: Values, at: Ours, found: dict[str, Any] | None) -> tuple[Any, Any]:
        """The gateway that a practice moves away from: whatever else is set there stays as it is, for the way back."""
        if found is None:
            return None, None
        part = "Stop the service, and let nothing start it"
        return _before(ours.service(self, part, given["name"], diff=True, start_mode="disabled", state="stopped")), None

    def _absent(self, given: Values, at: Ours, found: dict[str, Any] | None) -> tuple[Any, Any]:
        package.forget_note(self, at)
        removed = ours.service(self, "Stop and remove the service", given["name"], diff=True, state="absent")
        program: Any = None
        if (procrun := given["procrun"]) is not None:
            part = "Remove what procrun was told"
            self.do(part, _REGEDIT, path=_key(given), state="absent", delete_key=True)
            if at.plan:
                ours.close_ours(self, at)
            zipped = procrun["kind"] == "zip"
            options = {"unpack": zipped, "member": "prunsrv.exe" if zipped else ""}
            program = package.remove_tree(self, at, "Remove procrun", given["procrun_path"], **options)
            package.forget(self, at, procrun)
        return _before(removed), program

    def _restored(self, given: Values, at: Ours, found: dict[str, Any] | None) -> tuple[Any, Any]:
        was = given["before"]
        self._refuse_unknown(given, was, found)
        if was["exists"]:
            result = self._as_it_was(given, was, found)
        else:
            part = "Remove the service that was not there"
            result = ours.service(self, part, given["name"], diff=True, state="absent")
        program: Any = None
        # Where nothing is told of its program, that was left as it was.
        if given["procrun"] is not None and ("program" in was or not was["exists"]):
            program = self._unhosted(given, was, at)
        # Only where that is asked for, whatever it did before: another PC of the practice may be the active one by now.
        if was["exists"] and given["run"] == "started" and (found is not None or not self.check):
            ours.service(self, "Start the service", given["name"], state="started")
        return _before(result), program

    def _refuse_unknown(self, given: Values, was: Values, found: dict[str, Any] | None) -> None:
        account = was.get("username") or ""
        why = (
            "nothing is known of what was there before"
            if was.get("exists") is None
            else f"it ran as {account}, whose password nobody has given us"
            if was["exists"] and account != (found or {}).get("username", "") and not _PASSWORDLESS.fullmatch(account)
            else ""
        )
        if why:
            words = f"The service {given['name']} cannot be put back as it was: {why}. Nothing was changed."
            raise self.refused("Refuse what cannot be undone", words)

    def _as_it_was(self, given: Values, was: Values, found: dict[str, Any] | None) -> dict[str, Any]:
        now, run = found or {}, given["run"]
        stops = run == "stopped" or (run == "unchanged" and was["state"] in ("stopped", "stop_pending"))
        runs = now.get("state", "stopped") != "stopped"
        # Windows would start a service that starts by itself at its next restart, past every guard of ours.
        guarded = was["start_mode"] in _BY_ITSELF and run != "started" and (stops or not runs)
        mode: str | None = was["start_mode"]
        if guarded:
            mode = None if not runs and now.get("start_mode") == mode else "manual"
        actions = was["failure_actions"]
        return ours.service(
            self,
            "Configure the service as it was",
            given["name"],
            diff=True,
            display_name=was["display_name"],
            description=(was.get("description") or None) if found is None else None,
            path=was["path"] if was["path"] != now.get("path", "") else None,
            start_mode=mode or None,
            username=(was.get("username") or None) if was.get("username") != now.get("username", "") else None,
            failure_actions=actions,
            failure_actions_on_non_crash_failure=was["failure_actions_on_non_crash_failure"],
            # Windows keeps no period without an action.
            failure_reset_period_sec=was["failure_reset_period_sec"] if actions else None,
            state="stopped" if stops else None,
        )

    def _unhosted(self, given: Values, was: Values, at: Ours) -> Any:
        """Put back what hosts it: what procrun was told, and its program."""
        told = was.get("procrun", {} if was["exists"] else {"exists": False, "start": None})
        if told.get("exists") is not None and told["start"] is None:
            part = "Remove what procrun was told where it was told nothing"
            key = _key(given) + (r"\Parameters\Start" if told["exists"] else "")
            self.do(part, _REGEDIT, path=key, state="absent", delete_key=True)
        elif told.get("exists") is not None:
            for name in _TOLD:
                value = told["start"].get(name) or {}
                part, kind = "Tell procrun what it was told", _KINDS[value.get("type", "REG_SZ")]
                self._tell(given, part, name, value.get("raw_value", ""), kind, there=name in told["start"])
        unpacking = package.as_it_was(
            given["procrun"],
            given["procrun_path"],
            was.get("program") or {},
            existed=was["exists"],
            member="prunsrv.exe",
        )
        restart = was["exists"] and was.get("state") == "started"
        return package.unpack(self, at, unpacking, restart=restart)


def _key(given: Values) -> str:
    """procrun reads the 32-bit view, whatever its own build."""
    return rf"HKLM:\SOFTWARE\WOW6432Node\Apache Software Foundation\Procrun 2.0\{given['name']}"


def _before(result: Values) -> Any:
    """The service as it was, by the difference; None for none."""
    return (result.get("diff") or {}).get("before") or None
