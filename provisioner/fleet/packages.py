"""What must be true of a package in fleet.yml beyond its shape, and what nobody has told of it yet: what is wrong is an
error, and what is missing keeps nobody from looking, but the package is not used."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from provisioner.fleet import addresses
from provisioner.fleet.places import relative, why_not_folder
from provisioner.model.product import PackageName
from provisioner.model.settings import Package, Settings
from provisioner.yamlfile import is_file

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")
# What package_tree can be told: Ansible's whole numbers on Windows have 32 bits.
LARGEST = 2**31 - 1
# By which a URL lets whoever has it in: signed links of the large stores, and tokens.
_SECRETS = frozenset(
    ("sig", "signature", "x-amz-signature", "x-goog-signature", "token", "access_token", "private_token", "apikey",
     "api_key", "password")
)  # fmt: skip
_SERVICE = "service.name"
_SOURCES = ("url", "path", "push")
_WHENCE = "url: the gateway fetches it; path: it lies on the gateway already; push: this computer sends it."
_FINGERPRINT = "64 characters, 0 to 9 and a to f: `sha256sum FILE`, or `certutil -hashfile FILE SHA256`."
_MEANING = {"product_id": "What Windows lists once it is installed.", "arguments": "Those of a silent installation."}


def complaints(name: str, package: Package, folder: Path, *, lab: bool) -> Iterator[tuple[str, str, str]]:
    """All that is wrong with a package of that name: the key ("" for all of it), what, and what to do."""
    yield from _source(package, folder, lab)
    yield from _kind(name, package)


def missing(settings: Settings, name: PackageName) -> Iterator[tuple[str, str, str]]:
    """What is not known yet of a package that fleet.yml names: the setting, what is missing, and how or whom to ask."""
    package = settings.packages[name]
    if not any(getattr(package, key) for key in _SOURCES):
        yield "url", f"one of {', '.join(_SOURCES)} is missing.", _WHENCE
    if not package.sha256:
        yield "sha256", "sha256 is missing.", _FINGERPRINT
    for key in _needed(name, package):
        if not getattr(package, key):
            yield key, f"an {package.kind} needs {key}.", f"{_MEANING[key]} Ask the vendor."
    if name == "procrun" and not settings.service.name:
        message = "procrun makes a service, and service.name does not say how it is called."
        yield _SERVICE, message, "Set service.name."


def lacking(settings: Settings, name: PackageName) -> str:
    """The settings that a named package still lacks, in words; "" where it lacks none, or is not named."""
    if name not in settings.packages:
        return ""
    words = {_SERVICE: _SERVICE, "url": f"packages.{name}.url (or path, or push)"}
    return " and ".join(words.get(key, f"packages.{name}.{key}") for key, _, _ in missing(settings, name))


def usable(settings: Settings, name: PackageName) -> Package | None:
    """A package of which all is known that it takes to put it there; None where there is none."""
    return None if lacking(settings, name) else settings.packages.get(name)


def _needed(name: str, package: Package) -> tuple[str, ...]:
    by_kind: dict[str, tuple[str, ...]] = {"zip": (), "msi": ("product_id",), "exe": ("product_id", "arguments")}
    return () if name == "procrun" else by_kind[package.kind]


def _source(package: Package, folder: Path, lab: bool) -> Iterator[tuple[str, str, str]]:
    given = [key for key in _SOURCES if getattr(package, key)]
    if len(given) > 1:
        yield "", f"only one of url, path and push is to be given; here: {' and '.join(given)}.", _WHENCE
    if package.url:
        yield from _url(package.url, lab)
    if package.path and why_not_folder(package.path):
        yield "path", why_not_folder(package.path), "It is the file's place on the gateway."
    if package.push and not is_file(folder / package.push):
        yield "push", f"there is no file {package.push} beside fleet.yml.", "Its place is seen from the fleet folder."
    if package.sha256 and not _SHA256.fullmatch(package.sha256):
        yield "sha256", f"{package.sha256!r} is no SHA-256.", _FINGERPRINT
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
    else:
        if parts.scheme == "http" and not lab:
            yield (
                "url",
                f"{url} is not HTTPS: on its way it could be replaced.",
                "Serve it over HTTPS; only a lab may not.",
            )
        yield from _host(host, lab)
    if parts.username or parts.password:
        yield "url", "the URL has a user or a password in it.", "This file is no place for secrets: serve it without."
    if secret := sorted(name for name, _ in parse_qsl(parts.query) if name.lower() in _SECRETS):
        yield (
            "url",
            f"the URL has a secret in it ({secret[0]}=).",
            "This file is no place for secrets: serve it without.",
        )


def _host(host: str, lab: bool) -> Iterator[tuple[str, str, str]]:
    """What is wrong with the server of a URL: it is the gateway that asks it."""
    own = addresses.is_loopback(host) or host.rstrip(".").endswith(".localhost")
    if own and not lab:
        yield "url", f"{host} is the gateway itself, which cannot fetch from there.", "Name a server; or give path."
        return
    try:
        # As name servers know a name of other letters.
        asked = host if addresses.is_number(host) else host.encode("idna").decode()
        why, hint = addresses.why_not_address(asked)
    except UnicodeError:
        why, hint = f"{host!r} is neither an IP address nor a computer's name.", "Look for stray characters."
    if why:
        yield "url", f"in the URL: {why}", hint


def _kind(name: str, package: Package) -> Iterator[tuple[str, str, str]]:
    if name == "procrun" and package.kind == "msi":
        yield "kind", "procrun comes as a zip, or as its one exe.", ""
    useless = ("arguments", "product_id") if name == "procrun" or package.kind == "zip" else ("root",)
    for key in useless:
        if getattr(package, key):
            yield key, f"{key} means nothing for {name} as {package.kind}.", "Leave it out, or mend kind."
    if package.root and not relative(package.root.replace("/", "\\")):
        yield "root", f"{package.root!r} is no folder inside a zip.", "Such as connector-2.1"
