"""One remedy's work on one gateway as one task of Ansible: the base of our action plugins (plugins/action).

A task costs a process, a log-in and a shell. A role that were a task for each of its modules would pay them dozens of
times, and most of them for what is not to be done; so its modules run one after the other over one connection.
"""

import gc
import json
import os
import socket
from collections.abc import Mapping
from typing import Any, ClassVar

from ansible.errors import AnsibleConnectionFailure, AnsibleError
from ansible.plugins.action import ActionBase

from provisioner.ansible.broker import FOUND
from provisioner.ansible.claim import MODULE, Failed, claim, release

Values = Mapping[str, Any]

# What a part with a secret in it says when it fails: what comes back of it might hold the secret.
_HIDDEN = "it failed, and what came back is not shown, because a file of this practice holds a secret"
_SECONDS = 10.0
# This is loaded before the workers are forked, each from the same process: Python's garbage collector, if it was nearly
# due there, would walk and so copy all of it in each worker of a task (60 ms of each, 20 gateways).
gc.set_threshold(50_000)


class Work(ActionBase):  # type: ignore[misc]
    """What a remedy does there. `SPEC` is its options, as Ansible's modules have them.

    The result has `parts`, what was done in its order: each with its `task` (in words), whether it `changed`, and where
    it failed `msg`; `diff` of those that changed; and as facts `provisioner_before`, what was there, and
    `provisioner_found`, the same where it was told before anything was changed.
    """

    SPEC: ClassVar[Values] = {}
    _supports_check_mode = True

    def act(self, given: Values) -> Values:
        """Do it: the options -> what was there before. Errors: Failed."""
        raise NotImplementedError

    def run(self, tmp: Any = None, task_vars: Any = None) -> dict[str, Any]:
        """One gateway's turn. The name and the arguments are Ansible's."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        self.vars: Values = task_vars or {}
        self.check = bool(self._task.check_mode)
        self._parts: list[dict[str, Any]] = []
        self.facts: dict[str, Any] = {}
        _, given = self.validate_argument_spec(argument_spec=dict(self.SPEC))
        try:
            claim(self)
            self.facts["provisioner_before"] = self.act(given)
            release(self)
        except Failed as failed:
            first = _chain(failed)[0]
            result |= {"failed": True, "msg": _words(failed), "part": first.part, "held": first.held}
        diffs = [diff for part in self._parts for diff in part.pop("diff", ())]
        return {
            **result,
            "changed": any(part["changed"] for part in self._parts),
            "parts": self._parts,
            "ansible_facts": self.facts,
            **({"diff": diffs} if diffs else {}),
        }

    def given(self, name: str) -> Any:
        """The gateway's variable of that name, as Ansible evaluates it; None where it has none."""
        return self._templar.template(self.vars.get(name))

    def place(self) -> tuple[bool, bool]:
        """Whether this is the first of the gateway's roles in the play, and whether it is the last."""
        roles, role = self.given("provisioner_roles") or [""], self._task._role and self._task._role.get_name()
        return roles[0] == role, roles[-1] == role

    def do(
        self,
        part: str,
        module: str,
        *,
        counts: bool = True,
        check: bool = False,
        diff: bool | None = None,
        hidden: bool = False,
        **options: Any,
    ) -> dict[str, Any]:
        """Run one module; what it says. An option of None is left out.

        `counts`: whether a change is one of the gateway's, not of our own things there. `check`: it is only asked.
        `diff`: whether it is to tell the difference, where the run does not say. `hidden`: nothing of it is told.
        Errors: Failed, with what came back; AnsibleConnectionFailure where no log-in has succeeded yet.
        """
        task = self._task.copy(exclude_parent=True, exclude_tasks=True)
        task._parent = self._task._parent
        task.action, task.args = module, {name: value for name, value in options.items() if value is not None}
        task.check_mode, task.no_log = self.check or check, hidden
        task.diff = self._task.diff if diff is None else diff
        result = self._said(task)
        if failed := result.get("failed") or result.get("unreachable"):
            result["msg"] = _HIDDEN if hidden else str(result.get("msg") or "no reason given")
        changed = counts and not check and bool(result.get("changed"))
        self._parts.append(
            {
                "task": part,
                "changed": changed,
                **({"failed": True, "msg": result["msg"]} if failed else {}),
                **({"diff": _told(part, result)} if changed and self._task.diff and diff is not False else {}),
            }
        )
        if failed:
            raise Failed(part, result["msg"], held=module == MODULE and result.get("held") is True)
        return result

    def refused(self, part: str, message: str) -> Failed:
        """The end of the work, for whoever raises it: why it does not go on."""
        self._parts.append({"task": part, "changed": False, "failed": True, "msg": message})
        return Failed(part, message)

    def found(self, before: Values) -> None:
        """Tell what is there before anything of it is changed: should this run be ended in the middle, it is known."""
        self.facts["provisioner_found"] = before
        if (asking := os.environ.get("PROVISIONER_ASK", "")) and self._task._role and not self.check:
            words = json.dumps([self.vars["inventory_hostname"], self._task._role.get_name(), before], default=str)
            try:
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.settimeout(_SECONDS)
                    connection.connect(asking)
                    connection.sendall(f"{FOUND}{words}\n".encode())
                    heard = connection.recv(1)
            except OSError as error:
                why = f"provisioner did not answer ({error}). Nothing was changed."
                raise self.refused("Tell what is there", why) from None
            if not heard:
                raise self.refused("Tell what is there", "provisioner did not take it. Nothing was changed.")

    def lookup(self, part: str, name: str, terms: list[str], *, hidden: bool = False, **options: Any) -> list[Any]:
        """What a lookup plugin says, one for each term; `hidden`: not what it says when it fails. Errors: Failed."""
        plugin = self._shared_loader_obj.lookup_loader.get(name, loader=self._loader, templar=self._templar)
        try:
            found: list[Any] = plugin.run(terms, variables=dict(self.vars), **options)
        except AnsibleError as error:
            raise self.refused(part, _HIDDEN if hidden else str(error)) from None
        return found

    def _said(self, task: Any) -> dict[str, Any]:
        """What a module, or the action plugin of its name, says. A connection that broke is opened anew by the next."""
        plugins = self._shared_loader_obj.action_loader
        action = plugins.get(
            task.action if plugins.has_plugin(task.action) else "ansible.legacy.normal",
            task=task,
            connection=self._connection,
            play_context=self._play_context,
            loader=self._loader,
            templar=self._templar,
            shared_loader_obj=self._shared_loader_obj,
        )
        try:
            said: dict[str, Any] = action.run(task_vars=dict(self.vars))
        except AnsibleError as error:
            # The very first that cannot log in is Ansible's to tell: nothing was begun.
            if isinstance(error, AnsibleConnectionFailure) and not self._parts:
                raise
            self._connection.close()
            return {"failed": True, "msg": str(error)}
        return said


def _told(part: str, result: Values) -> list[Values]:
    diffs = result.get("diff") or []
    return [{**diff, "part": part} for diff in (diffs if isinstance(diffs, list) else [diffs])]


def _chain(failed: Failed) -> list[Failed]:
    """A failure and those that came while it was cleaned up after, the first of them first."""
    chain, error = list[Failed](), failed.__cause__ or failed.__context__
    if isinstance(error, Failed):
        chain = _chain(error)
    return [*chain, failed]


def _words(failed: Failed) -> str:
    first, *others = _chain(failed)
    return "; and then ".join([first.message, *(f"{other.part}: {other.message}" for other in others)])
