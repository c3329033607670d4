"""What must be true of a package in fleet.yml beyond its shape."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from provisioner.fleet.places import relative, why_not_folder
from provisioner.model.settings import Package
from provisioner.yamlfile import is_file

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# What package_tree can be told: Ansible's whole numbers on Windows have 32 bits.
LARGEST = 2**31 - 1
# By which a URL lets whoever has it in: signed links of the large stores, and tokens.
_SECRETS = frozenset(
    ("sig", "signature", "x-amz-signature", "x-goog-signature", "token", "access_token", "private_token", "apikey",
     "api_key", "password")
)  # fmt: skip


def complaints(name: str, package: Package, folder: Path, *, lab: bool) -> Iterator[tuple[str, str, str]]:
    """All that is wrong with a package of that name: the key ("" for all of it), what, and what to do."""
    yield from _source(package, folder, lab)
    yield from _kind(name, package)


def _source(package: Package, folder: Path, lab: bool) -> Iterator[tuple[str, str, str]]:
    given = [key for key in ("url", "path", "push") if getattr(package, key)]
    if len(given) != 1:
        said = " and ".join(given) or "none of them"
        hint = "url: the gateway fetches it; path: it lies on the gateway already; push: this computer sends it."
        yield "", f"exactly one of url, path and push is to be given; here: {said}.", hint
    if package.url:
        yield from _url(package.url, lab)
    if package.path and why_not_folder(package.path):
        yield "path", why_not_folder(package.path), "It is the file's place on the gateway."
    if package.push and not is_file(folder / package.push):
        yield "push", f"there is no file {package.push} beside fleet.yml.", "Its place is seen from the fleet folder."
    if package.sha256 and not _SHA256.fullmatch(package.sha256):
        hint = "64 characters, 0 to 9 and a to f: `sha256sum FILE`, or `certutil -hashfile FILE SHA256`."
        yield "sha256", f"{package.sha256!r} is no SHA-256.", hint
    if not package.sha256:
        yield "sha256", "sha256 is empty.", "`sha256sum FILE`, or `certutil -hashfile FILE SHA256`."
    if package.size < 0:
        yield "size", f"{package.size} bytes cannot be.", "Leave it out where it is not known."
    if package.size > LARGEST:
        yield "size", f"{package.size} bytes are more than a package may have here ({LARGEST}).", "Is it in bytes?"


def _url(url: str, lab: bool) -> Iterator[tuple[str, str, str]]:
    try:
        parts = urlsplit(url)
        # That the port is a number is found out when it is asked for.
        host = parts.hostname if parts.port != 0 else None
    except ValueError as error:
        yield "url", f"{url!r} is no URL: {error}.", ""
        return
    if not host or parts.scheme not in {"http", "https"} or re.search(r"[\s\x00-\x1f]", url):
        yield "url", f"{url!r} is no whole URL.", "Such as https://packages.example.nhs.uk/connector.zip"
    elif parts.scheme == "http" and not lab:
        yield "url", f"{url} is not HTTPS: on its way it could be replaced.", "Serve it over HTTPS; only a lab may not."
    if parts.username or parts.password:
        yield "url", "the URL has a user or a password in it.", "This file is no place for secrets: serve it without."
    if secret := sorted(name for name, _ in parse_qsl(parts.query) if name.lower() in _SECRETS):
        yield (
            "url",
            f"the URL has a secret in it ({secret[0]}=).",
            "This file is no place for secrets: serve it without.",
        )


def _kind(name: str, package: Package) -> Iterator[tuple[str, str, str]]:
    if name == "procrun":
        if package.kind == "msi":
            yield "kind", "procrun comes as a zip, or as its one exe.", ""
        needed: tuple[str, ...] = ()
        useless: tuple[str, ...] = ("arguments", "product_id")
    else:
        needed = {"zip": (), "msi": ("product_id",), "exe": ("product_id", "arguments")}[package.kind]
        useless = ("arguments", "product_id") if package.kind == "zip" else ("root",)
    meaning = {"product_id": "What Windows lists once it is installed.", "arguments": "Those of a silent installation."}
    for key in needed:
        if not getattr(package, key):
            yield "", f"an {package.kind} needs {key}.", f"{meaning[key]} Ask the vendor."
    for key in useless:
        if getattr(package, key):
            yield key, f"{key} means nothing for {name} as {package.kind}.", "Leave it out, or mend kind."
    if package.root and not relative(package.root.replace("/", "\\")):
        yield "root", f"{package.root!r} is no folder inside a zip.", "Such as connector-2.1"
