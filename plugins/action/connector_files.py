"""The work of the role `connector`."""

from __future__ import annotations

import hashlib
import json
import ntpath
import re
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, ClassVar

from provisioner.ansible import installer, ours, package
from provisioner.ansible.ours import Ours
from provisioner.ansible.package import Unpacking
from provisioner.ansible.work import Values, Work

_SHARED = re.compile(r"[A-Z]:\\(Windows|Users|ProgramData|Program Files( \(x86\))?)(\\[^\\]*)?", re.IGNORECASE)
_FOLDER = re.compile(r"[A-Za-z]:(\\[^\\]+)+")
_COPY = "ansible.windows.win_copy"


def _note(at: Ours) -> str:
    """Where we note what the files were made from: by this a reading proves what they hold."""
    return f"{at.keep}\\made.json"


def _with_note(paths: list[str], at: Ours) -> list[str]:
    """The files and our note of them, which is kept, put back and removed as they are. No files, no note."""
    return [*paths, _note(at)] if paths else []


def _noted(files: Sequence[Values], texts: Values) -> str:
    made = [
        {
            "path": file["path"],
            "sha256": hashlib.sha256(texts[file["path"]].encode()).hexdigest(),
            "made_from": file.get("made_from") or "",
        }
        for file in files
    ]
    return json.dumps({"files": made}, indent=1)


class ActionModule(Work):
    """The action `connector_files`: the Connector's folder, its package, and the files made for the practice."""

    SPEC: ClassVar[Values] = {
        **ours.OPTIONS,
        "state": {"type": "str", "choices": ["present", "absent", "restored"], "default": "present"},
        "package": {"type": "dict"},
        "files": {"type": "list", "elements": "dict", "default": []},
        "closed": {"type": "list", "elements": "str", "default": []},
        "before": {"type": "dict", "default": {}},
    }

    def act(self, given: Values) -> Values:
        """Errors: Failed."""
        do = {"present": self._present, "absent": self._absent, "restored": self._restored}[given["state"]]
        return do(given, Ours.of(given))

    def _present(self, given: Values, at: Ours) -> Values:
        files, wanted = given["files"], given["package"]
        paths = [file["path"] for file in files]
        access = ours.close_folders(self, at, [at.folder, *map(ntpath.dirname, paths), *given["closed"]])
        found = ours.checksums(ours.stats(self, "Look at the files that are there", _with_note(paths, at)))
        # One file with a secret hides all of them: what Ansible says of its neighbour might hold the same secret.
        hidden = any(file.get("secrets") for file in files)
        texts = {file["path"]: self._text(file, hidden) for file in files}
        if files:
            texts[_note(at)] = _noted(files, texts)
        differ = {path for path, text in texts.items() if found.get(path) != ours.sha1(text)}
        if not self.check:
            replaced = {path: sha1 for path, sha1 in found.items() if path in differ}
            self._keep("Keep the files that will be replaced", replaced, at, hidden=hidden)
        done = installer.Put()
        # A Connector that runs has read the old ones; and it never runs with its new files and its old package.
        stops = bool(differ - {_note(at)})
        with package.stopped(self, at, True) if stops else nullcontext():
            if wanted is not None:
                unpacking = Unpacking(package=wanted, destination=at.folder, skip=paths)
                done = package.put(self, at, unpacking, restart=not stops)
            self._write(files, texts, at, hidden=hidden)
        return {**done.told(), "access": access, "files": found}

    def _write(self, files: list[Values], texts: Values, at: Ours, *, hidden: bool) -> None:
        """Write the files made from templates, and after them the note of what each was made from."""
        for file in files:
            path, diff = file["path"], False if file.get("secrets") else None
            self.do("Write the files", _COPY, hidden=hidden, diff=diff, content=texts[path], dest=path)
        if files:
            part, note = "Note what the files were made from", _note(at)
            self.do(part, _COPY, hidden=hidden, diff=False, content=texts[note], dest=note)

    def _text(self, file: Values, hidden: bool) -> str:
        part, secrets = f"Make {ntpath.basename(file['path'])} from its template", file.get("secrets") or {}
        values = self.lookup(part, "gateway_secret", [f"secret:{reference}" for reference in secrets.values()])
        known = {**(file.get("variables") or {}), **dict(zip(secrets, values, strict=True))}
        template = "ansible.builtin.template"
        (text,) = self.lookup(part, template, [file["template"]], hidden=hidden, template_vars=known)
        return str(text)

    def _keep(self, part: str, files: Values, at: Ours, *, hidden: bool = False) -> None:
        for path, sha1 in files.items():
            copy = ours.kept_copy(at.kept, path, sha1)
            self.do(part, _COPY, counts=False, hidden=hidden, src=path, dest=copy, remote_src=True)

    def _absent(self, given: Values, at: Ours) -> Values:
        if not _FOLDER.fullmatch(at.folder) or _SHARED.fullmatch(at.folder):
            raise self.refused(
                "Refuse a folder that is not the Connector's alone",
                f"{at.folder} is a folder of Windows or of all programs: it is not removed.",
            )
        package.refuse_running(self, at)
        paths = _with_note([file["path"] for file in given["files"]], at)
        found = ours.stats(self, "Look at the files that are there", [*paths, at.folder])
        files = ours.checksums({path: stat for path, stat in found.items() if not stat.get("isdir")})
        if found:
            ours.close_ours(self, at)
        if not self.check:
            self._keep("Keep the files made for this practice", files, at)
        product = installer.remove_product(self, given["package"])
        before = package.remove_tree(self, at, "Remove the package, keeping it for an undo", at.folder)
        self.do("Remove the folder", "ansible.windows.win_file", path=at.folder, state="absent")
        if _note(at) in files:
            part = "Remove what was noted of the files"
            self.do(part, "ansible.windows.win_file", path=_note(at), state="absent")
        if given["package"] is not None:
            package.forget(self, at, given["package"])
        return {"present": at.folder in found, "package": before, "product": product, "files": files}

    def _restored(self, given: Values, at: Ours) -> Values:
        before, wanted = given["before"], given["package"]
        # Without the outcome of the step only the gateway itself knows what was there, and it does not know of these
        # files.
        known, was = "files" in before, before.get("files") or {}
        zipped = wanted is not None and wanted["kind"] == "zip"
        told = before.get("package") or {}
        named = _with_note([file["path"] for file in given["files"]], at)
        paths = list(dict.fromkeys([*named, *was])) if known else []
        found = ours.checksums(ours.stats(self, "Look at the files that are there", paths))
        self._refuse_lost(given, at, {path: sha1 for path, sha1 in was.items() if found.get(path) != sha1})
        ours.close_ours(self, at)
        if not self.check:
            changed = {path: sha1 for path, sha1 in found.items() if not zipped or was.get(path) != sha1}
            self._keep("Keep the files as they are now", changed, at)
        if wanted is not None and not zipped:
            installer.uninstall(self, wanted, before.get("product") or {})
        made = package.made(before, at, missing={at.folder: None} if before.get("present") is False else {})
        folders = [at.folder, *(ntpath.dirname(file["path"]) for file in given["files"])]
        access: dict[str, Any] = {}

        def put_back(would: bool) -> None:
            access.update(self._put_back([one for one in folders if one not in made], found, was, at, would, zipped))

        unpacking = package.as_it_was(wanted, at.folder, told) if zipped else None
        # Our note is none of the Connector's files: it need not be stopped for that.
        changes = known and any(found.get(path) != was.get(path) for path in paths if path != _note(at))
        unpacked = package.unpack(self, at, unpacking, changes=changes, also=put_back)
        package.remove_empty(self, made)
        return {"access": access, "package": unpacked, "files": found}

    def _refuse_lost(self, given: Values, at: Ours, wanted: Values) -> None:
        part = "Look for the copies that were kept of them"
        copies = {ours.kept_copy(at.kept, path, sha1): (path, sha1) for path, sha1 in wanted.items()}
        kept = ours.checksums(ours.stats(self, part, list(copies)))
        for copy, (path, sha1) in copies.items():
            if kept.get(copy) != sha1:
                words = f"{path} cannot be put back: the copy {copy} is gone. Nothing was changed."
                raise self.refused("Refuse where a copy is gone", words)
        told = given["before"].get("package") or {}
        zipped = given["package"] is not None and given["package"]["kind"] == "zip"
        if zipped and given["before"].get("present") and not told.get("exists"):
            raise self.refused(
                "Refuse what was removed and not kept",
                f"What was in {at.folder} came with no package of ours and was not kept: it cannot be put back. "
                "Nothing was changed.",
            )

    def _put_back(
        self, folders: list[str], found: Values, was: Values, at: Ours, would: bool, zipped: bool
    ) -> dict[str, Any]:
        """The files as they were; the folders' rights before they were closed."""
        closed: Values = {}
        if would:
            part = "Close the folders into which something comes back"
            closed = self.do(part, "folder_access", path=list(folders))
        # A folder that check mode did not make cannot be looked into: its making shows as a change already.
        if not (self.check and closed.get("changed")):
            for path, sha1 in was.items():
                # An installer may have taken one away that it had found.
                if found.get(path) != sha1 or not zipped:
                    part = "Put back the files that were there"
                    self.do(part, _COPY, src=ours.kept_copy(at.kept, path, sha1), dest=path, remote_src=True)
        for path in found:
            if path not in was:
                part = "Remove the files that were not there"
                self.do(part, "ansible.windows.win_file", path=path, state="absent")
        return dict(closed.get("before") or {})
