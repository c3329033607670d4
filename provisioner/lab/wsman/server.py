"""The HTTP of the lab: WinRM of any number of gateways under /NAME/wsman, and the packages under /packages."""

import asyncio
import contextlib
import logging
import time
import urllib.error
import urllib.parse
import urllib.request
import weakref
from collections.abc import Mapping
from email.utils import formatdate
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE

from provisioner.lab import faults
from provisioner.lab.events import Events
from provisioner.lab.windows import hosts
from provisioner.lab.windows.machine import Machine
from provisioner.lab.windows.variables import TEMP
from provisioner.lab.wsman import auth, messages, ntlm
from provisioner.lab.wsman.program import Gateway, Gone
from provisioner.lab.wsman.shell import Shells

_SOAP = "application/soap+xml;charset=UTF-8"
# A sealed message is a little longer than what it holds.
_LARGEST_REQUEST = messages.LARGEST_ENVELOPE + 1_024
_TICK_SECONDS = 0.5
_FETCH_SECONDS = 5.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
# By fault, the sub status of the event 4625 that Windows would write.
_WRONG_PASSWORD = "0xC000006A"  # noqa: S105
_REFUSING = {"locked_account": "0xC0000234", "refuses_login": _WRONG_PASSWORD}
# How NTLM's last message begins in a header: the signature and a 3, in base64.
_LAST_MESSAGE = "Negotiate TlRMTVNTUAAD"

_log = logging.getLogger(__name__)


class Lab:
    """All gateways, and what they share. Not for several threads.

    `heard`: how many HTTP requests for WinRM came so far, and how many of them had a WS-Management message of somebody
    who was let in.
    """

    def __init__(
        self,
        machines: Mapping[str, Machine],
        account: auth.Account,
        events: Events,
        packages: Path,
        *,
        delay: float,
        allow_unencrypted: bool,
        keytabs: Path | None = None,
        admins: frozenset[str] = frozenset(),
    ) -> None:
        self.machines = machines
        self.binding: bytes | None = None
        self.ports: tuple[int, ...] = ()
        self.heard = {"requests": 0, "messages": 0}
        self._account = account
        self._events = events
        self._packages = packages
        self._keytabs = keytabs
        self._admins = frozenset(name.lower() for name in admins)
        self._shells: dict[str, tuple[Machine, Shells]] = {}
        self._conversations: weakref.WeakKeyDictionary[Any, auth.Conversation] = weakref.WeakKeyDictionary()
        for name, machine in machines.items():
            machine.on_event = partial(events.note, name)
            machine.allow_unencrypted = allow_unencrypted
            # The profile of the account that logs in: there on every PC where it has been once.
            machine.disk.make(TEMP)
            gateway = Gateway(machine=machine, delay=delay, fetch=self._fetch)
            self._shells[name.lower()] = (machine, Shells(gateway))

    def app(self) -> web.Application:
        """The application for either port."""
        app = web.Application(client_max_size=_LARGEST_REQUEST)
        app.on_response_prepare.append(_as_windows)
        app.router.add_post("/{gateway}/wsman", self._winrm)
        app.router.add_get("/packages/{name}", self._package)
        return app

    def set(self, names: list[str], words: list[str]) -> None:
        """Give gateways faults, as faults.apply has it. Errors: LabError."""
        faults.parse(words)
        for name in names:
            machine = self.machines[name]
            machine.faults = faults.apply(words, machine.faults)
            # No fault that could be taken away again: what the machine is from now on.
            if (kind := machine.faults.pop("runs_by", "")) and machine.services:
                hosts.run_by(machine, kind)
            self._events.note(name, {"event": "faults_set", "faults": machine.faults})

    def state(self) -> dict[str, Any]:
        """All machines, by name."""
        self.tick()
        return {name: self.machines[name].to_json() for name in sorted(self.machines)}

    def tick(self) -> None:
        """Let happen what is due on every machine."""
        now = time.time()
        for machine in self.machines.values():
            machine.tick(now)

    async def live(self) -> None:
        """Let things happen by themselves, for ever."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self.tick()

    def close(self) -> None:
        """End all commands."""
        for _, shells in self._shells.values():
            shells.close()

    async def _winrm(self, request: web.Request) -> web.Response:
        found = self._shells.get(request.match_info["gateway"].lower())
        if found is None:
            return web.Response(status=404)
        machine, shells = found
        data = await request.read()
        self.heard["requests"] += 1
        if (instead := await _fault_of_the_line(request, machine)) is not None:
            return instead
        if request.headers.get("WSMANIDENTIFY", "").lower() == "unauthenticated":
            return web.Response(body=messages.identity(), headers={"Content-Type": _SOAP, **_clock(machine)})
        conversation = self._conversation(request, machine)
        said = self._log_in(request, machine, conversation)
        if said.status != 200 or not data:
            return said
        try:
            return await self._answer(request, data, said, conversation, machine, shells)
        except Gone:
            return _cut(request)

    def _log_in(self, request: web.Request, machine: Machine, conversation: auth.Conversation) -> web.Response:
        """The answer to the log-in: 200 for who is in, else 401."""
        status = next((number for name, number in _REFUSING.items() if name in machine.faults), "")
        ways = auth.OFFERS | auth.KERBEROS if self._keytab(machine) else auth.OFFERS
        offers = _offers(machine, ways, readable=not request.secure)
        step = conversation.log_in(request.headers.get("Authorization"), refuse=bool(status), offers=offers)
        if step.refused is not None:
            event = {"event": "login_refused", "user": step.refused, "sub_status": status or _WRONG_PASSWORD}
            self._events.note(machine.name, event)
        said = web.Response(status=200 if step.accepted else 401, headers=_clock(machine))
        said.headers.extend([("WWW-Authenticate", value) for value in step.say])
        return said

    async def _answer(
        self,
        request: web.Request,
        data: bytes,
        said: web.Response,
        conversation: auth.Conversation,
        machine: Machine,
        shells: Shells,
    ) -> web.Response:
        """The answer to one envelope. Errors: Gone."""
        sealed = request.headers.get("Content-Type", "").startswith("multipart/encrypted")
        if conversation.ntlm and not (sealed or request.secure or machine.allow_unencrypted):
            said.set_status(500)
            return said
        try:
            message = messages.read(conversation.opened(data) if sealed else data)
            self.heard["messages"] += 1
        except (auth.BrokenSeal, messages.NotSoap):
            said.set_status(400)
            return said
        try:
            if messages.identifies(message):
                answer = messages.identity(machine.windows.build)
            else:
                if conversation.principal and conversation.principal.lower() not in self._admins:
                    raise messages.access_denied()
                user = conversation.principal or self._account.user
                client = messages.Client(user=user, address=request.remote or "", url=str(request.url))
                answer = messages.answer(message, await shells.answer(message, client))
        except messages.Fault as fault:
            said.set_status(500)
            answer = messages.fault(fault, request.match_info["gateway"], message.message_id)
        said.body = conversation.sealed(answer) if sealed else answer
        said.headers["Content-Type"] = auth.SEALED if sealed else _SOAP
        return said

    def _conversation(self, request: web.Request, machine: Machine) -> auth.Conversation:
        found = self._conversations.get(request.transport)
        if found is None:
            names = _names(machine, self._account.user)
            binding = self.binding if request.secure else None
            found = auth.Conversation(self._account, names, binding, self._keytab(machine), machine.skew())
            self._conversations[request.transport] = found
        return found

    def _keytab(self, machine: Machine) -> Path | None:
        """The key that a gateway has in the domain; None where it is in none."""
        path = self._keytabs / f"{machine.name.lower()}.keytab" if self._keytabs else None
        return path if path is not None and path.is_file() else None

    async def _package(self, request: web.Request) -> web.StreamResponse:
        path = self._packages / request.match_info["name"]
        if path.parent != self._packages or path.suffix != ".zip" or not path.is_file():
            return web.Response(status=404)
        return web.FileResponse(path)

    def _fetch(self, url: str) -> bytes:
        """What a URL holds: our own packages from the disk, because a request to ourselves would wait for us.

        Errors: OSError.
        """
        parts = urllib.parse.urlsplit(url)
        if parts.hostname not in _LOOPBACK or parts.scheme not in ("http", "https"):
            raise OSError(f"Unable to connect to the remote server: {url} (the lab fetches from this machine only)")
        if parts.port in self.ports:
            own = self._packages / parts.path.rpartition("/")[2]
            if parts.path != f"/packages/{own.name}" or not own.is_file():
                raise OSError("The remote server returned an error: (404) Not Found.")
            return own.read_bytes()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with contextlib.closing(opener.open(url, timeout=_FETCH_SECONDS)) as answer:
                content: bytes = answer.read()
        except urllib.error.HTTPError as error:
            with error:
                raise OSError(f"The remote server returned an error: ({error.code}) {error.reason}.") from error
        return content


def _offers(machine: Machine, ways: Mapping[str, str], *, readable: bool) -> dict[str, str]:
    """The ways of logging in that a PC takes, of those that it has.

    Without TLS it takes no Basic unless AllowUnencrypted is true ([MS-WSMV] 3.1.4.1.29.1): who tries is answered with
    401, as a wrong password is (https://github.com/PowerShell/PowerShell/issues/3812).
    """
    if "wrong_transport" in machine.faults:
        only = machine.faults["wrong_transport"] or "kerberos"
        return {only: ways.get(only, only.capitalize())}
    hidden = "basic" if readable and not machine.allow_unencrypted else ""
    return {name: offer for name, offer in ways.items() if name != hidden}


def _names(machine: Machine, account: str) -> ntlm.Names:
    """What the PC that answers calls itself; the account's domain is that of all that are in one."""
    identity = machine.who()
    joined = identity.domain_joined
    return ntlm.Names(
        computer=identity.computer_name,
        domain=account.partition("\\")[0] if joined else None,
        dns_domain=identity.domain if joined else None,
        build=machine.windows.build,
    )


async def _fault_of_the_line(request: web.Request, machine: Machine) -> web.Response | None:
    """What comes back in place of WinRM; None where that answers."""
    if "offline" in machine.faults:
        return _cut(request)
    if "proxy" in machine.faults:
        return web.Response(status=int(machine.faults["proxy"] or 503), headers={"Server": "squid"})
    # NTLM's first message is no log-in yet: its last one has the user, Basic's only one too.
    header = request.headers.get("Authorization", "")
    logs_in = header.startswith("Basic ") or header.startswith(_LAST_MESSAGE)
    if "hangs" in machine.faults and (logs_in or not machine.faults["hangs"]):
        while request.transport is not None and not request.transport.is_closing():
            await asyncio.sleep(_TICK_SECONDS)
        return _cut(request)
    stage = machine.faults.get("drips")
    if stage is not None and (logs_in or stage != "login"):
        return await _drip(request, stage or "body")
    return None


_OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\n"
_CHUNKED = _OK + b"Transfer-Encoding: chunked\r\n\r\n"
# By stage, how an answer begins that never ends, and what comes of it again and again.
_DRIPS: Mapping[str, tuple[bytes, bytes]] = {
    "status": (b"HTTP/1.1 200 ", b"O"),
    "headers": (_OK + b"X-Slow: ", b"o"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunks": (_CHUNKED, b"0"),
    "trailers": (_CHUNKED + b"0\r\n", b"X-Slow: yes\r\n"),
    "body": (_OK + b"Content-Length: 100000\r\n\r\n", b"x"),
    "login": (b"HTTP/1.1 200 ", b"O"),
}
_DRIP_SECONDS = 0.05


async def _drip(request: web.Request, stage: str) -> web.Response:
    """An answer that is begun and not ended, for as long as somebody listens."""
    head, piece = _DRIPS[stage]
    if request.transport is not None:
        request.transport.write(head)
    while request.transport is not None and not request.transport.is_closing():
        request.transport.write(piece)
        await asyncio.sleep(_DRIP_SECONDS)
    return _cut(request)


async def _as_windows(_: web.Request, response: web.StreamResponse) -> None:
    """Say that it is Windows' HTTP that answers, unless a fault says who does."""
    if response.headers.get("Server") == SERVER_SOFTWARE:
        response.headers["Server"] = "Microsoft-HTTPAPI/2.0"


def _clock(machine: Machine) -> dict[str, str]:
    """The header Date of a clock that is wrong; a right one is put in by aiohttp."""
    skew = machine.skew()
    return {"Date": formatdate(time.time() + skew, usegmt=True)} if skew else {}


def _cut(request: web.Request) -> web.Response:
    """Break the connection; the answer that aiohttp wants goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=503)
