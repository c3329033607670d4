"""The work of the role `carry`."""

from __future__ import annotations

import ntpath
from typing import ClassVar

from provisioner.ansible.ours import checksums, kept_copy, sha1, stats
from provisioner.ansible.work import Values, Work

_COPY = "ansible.windows.win_copy"


class ActionModule(Work):
    """The action `carried_files`: files that were fetched from another gateway to `here`, each under the SHA-1 of its
    path. What they hold is told nowhere."""

    SPEC: ClassVar[Values] = {
        "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
        "paths": {"type": "list", "elements": "str", "required": True},
        "here": {"type": "str", "required": True},
        "folder": {"type": "str", "required": True},
        "keep": {"type": "str", "required": True},
        "before": {"type": "dict", "default": {}},
    }

    def act(self, given: Values) -> Values:
        """Errors: Failed."""
        found = checksums(stats(self, "Look at the files that are there", given["paths"]))
        if given["state"] == "present":
            self._put(given, found)
        else:
            self._put_back(given)
        return {"files": found}

    def _put(self, given: Values, found: Values) -> None:
        kept = f"{given['keep']}\\kept"
        part = "Close our folder to all but administrators"
        self.do(part, "folder_access", path=[given["folder"]], private=[given["keep"], kept])
        if not self.check:
            for path, digest in found.items():
                part, copy = "Keep the files that will be replaced", kept_copy(kept, path, digest)
                self.do(part, _COPY, counts=False, src=path, dest=copy, remote_src=True)
        for folder in dict.fromkeys(map(ntpath.dirname, given["paths"])):
            self.do("Make the folders that they lie in", "ansible.windows.win_file", path=folder, state="directory")
        if not self.check:
            for path in given["paths"]:
                here = f"{given['here']}/{sha1(path)}"
                self.do("Put the files there", _COPY, hidden=True, diff=False, src=here, dest=path)

    def _put_back(self, given: Values) -> None:
        was = given["before"].get("files") or {}
        for path, digest in was.items():
            part, copy = "Put back the files that were replaced", kept_copy(f"{given['keep']}\\kept", path, digest)
            self.do(part, _COPY, src=copy, dest=path, remote_src=True)
        for path in given["paths"]:
            if path not in was:
                part = "Remove the files that were not there"
                self.do(part, "ansible.windows.win_file", path=path, state="absent")
