"""Facts about the kind of PC: its maker and model, and whether it is a virtual one."""

import functools
import re

from provisioner.audit.facts.context import CannotTell, FactContext, FactOf

# How the words begin that a virtual machine says of itself, as maker, as model or in its firmware [docs/windows.md,
# "hardware"]. A hypervisor that is merely present proves nothing: Windows itself runs under one on many physical PCs.
_SIGNS = (
    "virtual", "vmware", "vmw", "vbox", "innotek", "parallels", "prls", "qemu", "bochs", "bxpc", "kvm", "kubevirt",
    "bhyve", "xen ", "xenserver", "hvm", "domu", "openstack", "ovirt", "rhev", "red hat", "rhel", "nutanix", "ahv",
    "proxmox", "seabios", "ovmf", "virtuozzo", "amazon ec2", "google compute engine", "google google",
    "digitalocean", "scaleway", "alibaba cloud", "tencent cloud", "huawei cloud", "vultr", "linode", "vserver",
    "hyper v uefi", "vrtual", "i440fx", "q35 ich9", "cloud hypervisor", "firecracker",
    "distribution of edk",
)  # fmt: skip
_SIGN = re.compile("|".join(rf" {sign}" for sign in _SIGNS))
# What says nothing at all. The words that a board's firmware comes with ("System manufacturer") do say that it is one.
_NOTHING = frozenset({"", "none", "n/a", "unknown", "not specified", "not available", "not applicable", "null"})


def _said(reading: FactContext) -> tuple[list[str], list[str]]:
    """What maker and model are, and what the firmware says; without what says nothing."""
    hardware = reading.section("hardware")
    names = [hardware["manufacturer"], hardware["model"]]
    # Readings of before have no firmware.
    return _given(names), _given(hardware.get("firmware") or [])


def _given(texts: list[str | None]) -> list[str]:
    return [text.strip() for text in texts if text and text.strip().lower() not in _NOTHING]


# Gateways of one estate are of a few models.
@functools.lru_cache(maxsize=1024)
def _is_virtual(text: str) -> bool:
    words = re.sub(r"[^a-z0-9]+", " ", text.lower())
    return bool(_SIGN.search(f" {words} "))


def _model(reading: FactContext) -> str:
    names, firmware = _said(reading)
    telling = [text for text in firmware if _is_virtual(text)]
    if telling and not _is_virtual(" ".join(names)):
        names = [*names, f"(its firmware says {telling[0]})"]
    if not names:
        raise CannotTell("the gateway gives neither a maker nor a model")
    return " ".join(names)


def _physical(reading: FactContext) -> bool:
    """Whether neither maker and model nor the firmware is a virtual machine's."""
    _model(reading)
    names, firmware = _said(reading)
    return not (_is_virtual(" ".join(names)) or any(map(_is_virtual, firmware)))


FACTS: dict[str, FactOf] = {
    "hardware.model": _model,
    "hardware.physical": _physical,
}
