"""A package of fleet.yml as the roles take it. Pure."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from provisioner.fleet import packages
from provisioner.model import Fleet
from provisioner.model.product import PackageName
from provisioner.model.settings import Package

_PLAIN_NAME = re.compile(r"[\w.+-]+")


def package(fleet: Fleet, name: PackageName) -> dict[str, Any] | None:
    """Where a package comes from and what it must be; None where fleet.yml has none of that name that can be used."""
    wanted = packages.usable(fleet.settings, name)
    if wanted is None:
        return None
    source, location = next((kind, place) for kind, place in _places(wanted) if place)
    leaf = unquote(re.split(r"[/\\]", urlsplit(location).path if source == "url" else location)[-1])
    return {
        "name": leaf if _PLAIN_NAME.fullmatch(leaf) else f"{name}.{wanted.kind}",
        "source": source,
        "location": str(Path(fleet.folder, location).absolute()) if source == "push" else location,
        "sha256": wanted.sha256.lower(),
        "signer": wanted.signer,
        "kind": wanted.kind,
        "root": wanted.root,
        "arguments": wanted.arguments,
        "product_id": wanted.product_id,
        "version": wanted.version,
        "size": wanted.size,
    }


def _places(package: Package) -> tuple[tuple[str, str], ...]:
    return ("url", package.url), ("path", package.path), ("push", package.push)
