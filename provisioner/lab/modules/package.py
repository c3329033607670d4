"""ansible.windows.win_package: an installer of the vendor's.

The lab's installers are zips with any ending: `lab-installer.json` inside says what they do, {"product_id", "name",
"version", "folder", "return_code", "replaces": another id, "service": {"name", "display_name", "image", "arguments",
"starts": true}}, and all else is laid into the folder. A file without it only enters its product id into Windows' list.
"""

import json
from dataclasses import dataclass, field
from typing import Any

from provisioner.lab.modules.arguments import Call, Failed, Option, Spec, Unmodelled
from provisioner.lab.modules.files import digest
from provisioner.lab.windows.disk import File, described, leaf
from provisioner.lab.windows.machine import Machine
from provisioner.lab.windows.package import BadPackage, members
from provisioner.lab.windows.state import Installed, Service

SPEC: Spec = {
    "arguments": Option(kind="raw"),
    "chdir": Option(kind="path"),
    "checksum": Option(),
    "checksum_algorithm": Option(default="sha1", choices=("md5", "sha1", "sha256", "sha384", "sha512")),
    "creates_path": Option(kind="path"),
    "creates_service": Option(),
    "creates_version": Option(),
    "expected_return_code": Option(kind="list", elements="int", default=[0, 3010]),
    "log_path": Option(kind="path"),
    "path": Option(),
    "product_id": Option(),
    "provider": Option(default="auto", choices=("auto", "msi", "msix", "msp", "registry")),
    "state": Option(default="present", choices=("absent", "present")),
    "wait_for_children": Option(kind="bool", default=False),
}

UNINSTALL = "HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Uninstall"
_SCRIPT = "lab-installer.json"
# How Windows Installer says that it has done its work, and that a restart is wanted or begun.
_DONE = (0, 1641, 3010)


@dataclass(frozen=True)
class _Installer:
    """What an installer does."""

    product_id: str
    name: str
    version: str = ""
    folder: str = ""
    return_code: int = 0
    replaces: str = ""
    service: dict[str, Any] = field(default_factory=dict)
    files: tuple[File, ...] = ()


def win_package(call: Call) -> dict[str, Any]:
    """Install or remove a product."""
    args, machine = call.args, call.machine
    if args["creates_version"] is not None:
        _creates_version(call)
    if args["state"] == "present" and args["path"] is None:
        raise Failed("state is present but all of the following are missing: path")
    if args["path"] is None and args["product_id"] is None:
        raise Failed("state is absent but any of the following are missing: path, product_id")
    file = _file(call)
    product = args["product_id"] or (_read(file, None).product_id if file else "")
    changed = _there(call, product) != (args["state"] == "present")
    answer: dict[str, Any] = {"changed": changed, "rc": 0, "reboot_required": False}
    if args["state"] == "absent":
        if changed and not call.check:
            _uninstall(machine, product)
        if args["product_id"] is None and _is_url(args["path"]):
            # Said when all is done, as the module does.
            words = "Unable to find Product ID from the URL path. Please specify product_id when using state=absent"
            raise Failed(words, rc=0, reboot_required=False)
        return answer
    if not changed or call.check:
        return answer
    if file is None:
        raise Failed(f"the file at the path '{args['path']}' cannot be reached")
    answer["checksum"] = digest(file, args["checksum_algorithm"]).upper()
    if args["checksum"] and args["checksum"].upper() != answer["checksum"]:
        raise Failed(
            f"The checksum for {args['path']} did not match '{args['checksum']}', it was '{answer['checksum']}'",
            rc=0,
            reboot_required=False,
            checksum=answer["checksum"],
        )
    return answer | _install(call, _read(file, args["product_id"]))


def _file(call: Call) -> File | None:
    path, machine = call.args["path"], call.machine
    if not path:
        return None
    if _is_url(path):
        # Only what is to be there is looked for before it is fetched.
        product = call.args["product_id"] if call.args["state"] == "present" else None
        if product and _there(call, product):
            return None
        try:
            return described(f"C:\\Windows\\Temp\\{path.rpartition('/')[2]}", call.fetch(path))
        except OSError as failure:
            raise Failed(f"Error downloading '{path}': {failure}") from None
    file = machine.disk.file(path)
    if file is None and not call.check:
        raise Failed(f"the file at the path '{path}' cannot be reached")
    return file


def _is_url(path: str | None) -> bool:
    return (path or "").lower().startswith("http")


def _creates_version(call: Call) -> None:
    """The version that is looked for: the lab's files have none."""
    path = call.args["creates_path"]
    if path is None:
        raise Failed("missing parameter(s) required by 'creates_version': creates_path")
    if call.machine.disk.folder(path):
        words = "creates_path must be a file not a directory when creates_version is set"
        raise Failed(f"Unhandled exception while executing module: {words}")
    raise Unmodelled("ansible.windows.win_package: the lab does not model creates_version")


def _read(file: File, product_id: str | None) -> _Installer:
    nothing = _Installer(product_id=product_id or "{" + file.sha256[:32].upper() + "}", name=leaf(file.path))
    if file.content is None:
        raise Unmodelled(f"the lab no longer has the content of {file.path}")
    try:
        files = members(file.content, "")
    except BadPackage:
        return nothing
    script = next((member for member in files if member.path == _SCRIPT), None)
    if script is None or script.text is None:
        return nothing
    said = json.loads(script.text)
    return _Installer(**said, files=tuple(member for member in files if member is not script))


def _there(call: Call, product: str) -> bool:
    args, machine = call.args, call.machine
    there = any(entry.product_id.lower() == product.lower() for entry in machine.installed)
    if args["creates_path"]:
        there = machine.disk.exists(args["creates_path"])
    if args["creates_service"]:
        there = machine.service(args["creates_service"]) is not None
    return there


def _install(call: Call, installer: _Installer) -> dict[str, Any]:
    machine = call.machine
    code, seconds = installer.return_code, 0.0
    if code in _DONE:
        seconds = machine.install(installer.name, lambda now: _lay(machine, installer, now), call.now)
    if code not in call.args["expected_return_code"]:
        raise Failed(
            f"unexpected rc from '\"{call.args['path']}\"': see rc, stdout, and stderr for more details",
            rc=code,
            stdout="",
            stderr="",
            reboot_required=False,
            **({"_lab_seconds": seconds} if seconds else {}),
        )
    answer: dict[str, Any] = {"rc": code, "failed": False, "reboot_required": code == 3010}
    return answer | ({"_lab_seconds": seconds} if seconds else {})


def _lay(machine: Machine, installer: _Installer, now: float) -> None:
    """What the installer leaves behind."""
    if installer.replaces:
        machine.registry.remove(f"{UNINSTALL}\\{installer.replaces}")
        machine.installed = [entry for entry in machine.installed if entry.product_id != installer.replaces]
    for file in installer.files:
        machine.disk.write(f"{installer.folder}\\{file.path}", file.content or b"")
    machine.installed.append(Installed(installer.product_id, installer.name, installer.version))
    key = f"{UNINSTALL}\\{installer.product_id}"
    machine.registry.put(key, "DisplayName", "String", installer.name)
    machine.registry.put(key, "DisplayVersion", "String", installer.version)
    machine.registry.put(key, "InstallLocation", "String", installer.folder)
    said = installer.service
    if said and not machine.service(said["name"]):
        command = f'"{said["image"]}" {said.get("arguments", "")}'.rstrip()
        service = Service(said["name"], said.get("display_name", said["name"]), command)
        service.description = f"installed by {installer.product_id}"
        machine.services.append(service)
        machine.happened("service_created", service=service.name)
    # As installers do: what runs is stopped while its files are replaced, and is not always started again.
    own = machine.service(said["name"]) if said else None
    if own and own.state == "running":
        machine.stop(own)
    if own and said.get("starts"):
        machine.start(own, now)
    if installer.return_code == 3010 and "Component Based Servicing: RebootPending" not in machine.reboot_reasons:
        machine.reboot_reasons.append("Component Based Servicing: RebootPending")
    machine.happened("product_installed", product=installer.product_id)


def _uninstall(machine: Machine, product: str) -> None:
    """Take a product away: its folder, its service, its line in Windows' list."""
    key = f"{UNINSTALL}\\{product}"
    folder = machine.registry.value(key, "InstallLocation")
    if folder:
        machine.disk.remove(str(folder))
    for service in [service for service in machine.services if service.description == f"installed by {product}"]:
        if service.state == "running":
            machine.stop(service)
        machine.services.remove(service)
        machine.happened("service_removed", service=service.name)
    machine.registry.remove(key)
    machine.installed = [entry for entry in machine.installed if entry.product_id.lower() != product.lower()]
    machine.happened("product_removed", product=product)
