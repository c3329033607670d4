"""An installer on a gateway: run, undone, and what it started by itself stopped."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from provisioner.ansible.ours import Ours, gone, service, services
from provisioner.ansible.work import Values, Work

_UNINSTALL = (
    r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
)


@dataclass(kw_only=True)
class Put:
    """What was there of a package before it was put there. An installer's: the `product` (whether it was there, and
    what it took the place of), whether a restart is needed, and the services that it started by itself."""

    before: Any = None
    product: Values | None = None
    restart_needed: bool = False
    started: list[str] = field(default_factory=list)

    def told(self) -> dict[str, Any]:
        """As a role says it."""
        return {
            "package": self.before,
            "product": self.product,
            "restart_needed": self.restart_needed,
            "started_by_itself": self.started,
        }


def install(work: Work, at: Ours, package: Values) -> Put:
    """Run the installer. Never restarts the PC: 3010 is done, with a restart for the practice to do."""
    running = f"{at.keep}\\running\\{package['name']}.json"
    if not work.check:
        # An installer outlives its client: whoever comes next sees from this that one of ours may still be at work.
        started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        words = json.dumps({"pid": 0, "what": package["name"], "started": started})
        part = "Mark the installer as running"
        work.do(part, "ansible.windows.win_copy", content=words, dest=running, counts=False)
    done = Put()
    try:
        before = _products(work, "List the products that are there")
        ran = services(work, "List the services that are there")
        try:
            installed = work.do(
                "Install",
                "ansible.windows.win_package",
                path=f"{at.keep}\\packages\\{package['name']}",
                product_id=package.get("product_id") or None,
                arguments=package.get("arguments") or None,
                provider="msi" if package["kind"] == "msi" else "registry",
            )
            left = _products(work, "List the products that are left")
            done.product = {
                "exists": not installed["changed"],
                "replaced": [name for name in dict.fromkeys(before) if name not in left],
            }
            done.restart_needed = bool(installed.get("reboot_required"))
        finally:
            # An installer that fails may have started or stopped one as well.
            done.started = _as_they_ran(work, at, ran)
    finally:
        if not work.check:
            gone(work, "Take the mark away", running)
    return done


def uninstall(work: Work, package: Values, product: Values) -> None:
    """Undo what an installer did, where it found nothing. `product`: as it was told when it was installed."""
    asked = {"product_id": package["product_id"], "state": "absent"}
    part = "Ask whether the product is installed"
    installed = work.do(part, "ansible.windows.win_package", check=True, diff=False, **asked)["changed"]
    why = (
        "nothing is known of what was there before"
        if product.get("exists") is None
        else f"it took the place of {', '.join(product['replaced'])}"
        if product.get("replaced")
        else "the product was installed before, and is not now"
        if product["exists"] and not installed
        else ""
    )
    if why:
        raise work.refused(
            "Refuse what cannot be undone",
            f"What the installer {package['name']} did cannot be undone from here: {why}. Nothing was changed. "
            "Install the version that is wanted by a plan whose packages name it.",
        )
    if not product["exists"]:
        arguments = package.get("arguments") or None
        part = "Uninstall what was not there"
        work.do(part, "ansible.windows.win_package", arguments=arguments, **asked)


def remove_product(work: Work, package: Values | None) -> Values | None:
    """Uninstall a product, if the package is one: whether it was there, as an undo of it is told; None for a zip."""
    if package is None or not package.get("product_id"):
        return None
    gone = work.do(
        "Uninstall",
        "ansible.windows.win_package",
        product_id=package["product_id"],
        arguments=package.get("arguments") or None,
        state="absent",
    )
    return {"exists": gone["changed"], "replaced": []}


def _products(work: Work, part: str) -> list[str]:
    return [
        name
        for key in _UNINSTALL
        for name in work.do(part, "ansible.windows.win_reg_stat", path=key).get("sub_keys") or ()
    ]


def _as_they_ran(work: Work, at: Ours, before: Sequence[Values]) -> list[str]:
    """Let run what ran before the installer, and nothing else; the names of those that it started by itself.

    A Connector's first start has guards of its own (two that run at once send everything twice); an installer's has
    none. Also one that does not run yet is kept from it: it would with the PC's next start.
    """
    ran = {one["name"] for one in before if one["state"] != "stopped"}
    known = {one["name"] for one in before}
    own = _own(at, services(work, "List the services that are left"))
    made = [one["name"] for one in own if one["name"] not in known]
    started = [one["name"] for one in own if one["state"] != "stopped" and one["name"] not in ran]
    ended = [one["name"] for one in own if one["state"] == "stopped" and one["name"] in ran]
    for name in dict.fromkeys(made + started):
        part = "Stop what the installer started by itself, and let it not start with the PC"
        service(work, part, name, state="stopped", start_mode="manual")
    for name in ended if at.restart else ():
        service(work, "Start again what ran before the installer", name, state="started")
    return started


def _own(at: Ours, left: Sequence[Values]) -> list[Values]:
    """The Connector's, by its name or by a program in its folder."""
    inside = re.compile(rf'"?{re.escape(at.folder)}\\', re.IGNORECASE)
    told = [one for one in left if isinstance(one.get("path"), str)]
    return [one for one in told if one["name"] == at.service or inside.match(one["path"])]
