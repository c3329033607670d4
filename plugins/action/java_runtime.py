"""The work of the role `java`."""

from __future__ import annotations

from typing import Any, ClassVar

from provisioner.ansible import installer, ours, package
from provisioner.ansible.ours import Ours
from provisioner.ansible.package import Unpacking
from provisioner.ansible.work import Values, Work


class ActionModule(Work):
    """The action `java_runtime`: the Java that the Connector is built on, where its own package brings none."""

    SPEC: ClassVar[Values] = {
        **ours.OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent", "restored"], "default": "present"},
        "home": {"type": "str", "required": True},
        "package": {"type": "dict"},
        "before": {"type": "dict", "default": {}},
    }

    def act(self, given: Values) -> Values:
        """Errors: Failed."""
        do = {"present": self._present, "absent": self._absent, "restored": self._restored}[given["state"]]
        return do(given, Ours.of(given))

    def _present(self, given: Values, at: Ours) -> Values:
        wanted, home = given["package"], given["home"]
        # Below the Connector's folder it has that one's rights. Where users may write, what is verified would not be
        # what is there.
        below = home.lower().startswith(f"{at.folder}\\".lower())
        access = ours.close_folders(self, at, [at.folder, *([home] if wanted is not None and not below else [])])
        done = installer.Put()
        if wanted is not None:
            done = package.put(self, at, Unpacking(package=wanted, destination=home))
        return {**done.told(), "access": access}

    def _absent(self, given: Values, at: Ours) -> Values:
        package.refuse_running(self, at)
        product = installer.remove_product(self, given["package"])
        if at.plan:
            ours.close_ours(self, at)
        before = package.remove_tree(self, at, "Remove what was unpacked", given["home"])
        if given["package"] is not None:
            package.forget(self, at, given["package"])
            if not self.check:
                self._refuse_left(given["home"])
        return {"package": before, "product": product}

    def _refuse_left(self, home: str) -> None:
        """A Java from elsewhere stays, and is said."""
        program = f"{home}\\bin\\java.exe"
        part = "Look whether a Java is left"
        if self.do(part, "ansible.windows.win_stat", path=program, get_checksum=False)["stat"]["exists"]:
            raise self.refused(
                "There must be none", f"The Java in {home} is not from a package of ours, and is not removed."
            )

    def _restored(self, given: Values, at: Ours) -> Values:
        wanted, before = given["package"], given["before"]
        if wanted is None:
            return {"package": None}
        if wanted["kind"] != "zip":
            installer.uninstall(self, wanted, before.get("product") or {})
            package.remove_empty(self, package.made(before, at, missing={}))
            return {"package": None}
        unpacking = package.as_it_was(wanted, given["home"], before.get("package") or {})
        made = package.made(before, at, missing={})

        def close(would: bool) -> Any:
            if would and at.folder not in made:
                part = "Close the folders into which something comes back"
                self.do(part, "folder_access", path=[at.folder])

        unpacked = package.unpack(self, at, unpacking, also=close)
        package.remove_empty(self, made)
        return {"package": unpacked}
