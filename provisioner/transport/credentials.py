"""Whose password, and from where; and the guard that keeps a wrong one from locking an account.

The only importer of keyring. A password is never in a field that travels, in a message or in a repr.
"""

import os
import shlex
import stat
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from provisioner import files
from provisioner.errors import InputError, NotTried, Refused
from provisioner.model.settings import Connection
from provisioner.transport import waiting
from provisioner.transport.ticket import Ticket, by_keytab, by_password, of_the_person

_VARIABLE = "PROVISIONER_PASSWORD"
_KEYRING = "provisioner"
# How a question for a secret of a Connector's file begins, and one for whose a gateway's password is.
SECRET = "secret:"  # noqa: S105 no secret
USER = "user:"
_KEEPS_TICKETS = os.name == "nt"


@dataclass(frozen=True)
class Credential:
    """A user and a password; no password where a Kerberos ticket or keytab says who we are, or each gateway has its
    own (LAPS)."""

    user: str
    password: str = field(repr=False)


def find(connection: Connection, folder: Path, prompt: Callable[[str], str]) -> Credential:
    """The credential that fleet.yml names. `prompt` asks a person for a password, given the question.

    Errors: InputError where there is none, or its file is open to others.
    """
    if connection.credential == "keytab":
        private(_file(connection, folder), "the account's keys")
    if connection.credential in ("ticket", "keytab", "laps"):
        return Credential(connection.user, "")
    if connection.credential == "environment":
        # Taken out, so that no child process inherits it. What /proc/PID/environ shows of us stays until we end.
        password = os.environ.pop(_VARIABLE, "")
        if not password:
            raise InputError(f"{_VARIABLE} is not set.", "fleet.yml says that the password is in the environment.")
        return Credential(connection.user, password)
    if connection.credential == "prompt":
        return Credential(connection.user, prompt(f"Password of {connection.user}"))
    if connection.credential == "keyring":
        return Credential(connection.user, _from_keyring(connection.user))
    return Credential(connection.user, read_private(_file(connection, folder)))


def ticket(connection: Connection, credential: Credential, folder: Path) -> Ticket | None:
    """The Kerberos ticket of a command, not yet asked for; None where log-ins are of another kind, and on Windows,
    which keeps its tickets itself. Errors: InputError for a keytab there."""
    if connection.transport != "kerberos":
        return None
    if _KEEPS_TICKETS:
        if connection.credential == "keytab":
            raise InputError("Windows takes no keytab.", "Log in there as that account, and use credential: ticket.")
        return None
    user = credential.user
    if connection.credential == "ticket":
        return Ticket(of_the_person(user), user or "the ticket's owner")
    if connection.credential == "keytab":
        return Ticket(by_keytab(user, _file(connection, folder)), user or "the keytab's owner")
    return Ticket(by_password(user, credential.password), user)


def secret(reference: str, connection: Connection, folder: Path) -> str:
    """A secret value of a Connector's file, by its reference: `secrets/REFERENCE` beside the credential file where
    the fleet uses files, PROVISIONER_SECRET_REFERENCE, or else the keyring.

    Errors: InputError where there is none.
    """
    if connection.credential == "file":
        return read_private(_file(connection, folder).parent / "secrets" / Path(reference).name)
    return os.environ.get(f"PROVISIONER_SECRET_{reference.upper()}") or _from_keyring(reference)


def private(path: Path, holds: str) -> None:
    """See that only its owner can read a file that holds a secret. Errors: InputError where it is not so."""
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror}", f"It is to hold {holds}, and nothing else."
        ) from error
    if os.name == "posix" and (stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.getuid()):
        raise InputError(f"{path} can be read by others.", f"chmod 600 {shlex.quote(str(path))}, and own it yourself.")


def read_private(path: Path, holds: str = "the password") -> str:
    """A file that holds one secret, without the line's end; only its owner may be able to read it.

    Errors: InputError where it is missing, empty or open to others.
    """
    private(path, holds)
    try:
        data = files.read(path, files.SECRET)
        mark, name = files.encoding(data)
        # As Windows' own tools write it. Without a mark nothing but UTF-8 is sure: a secret that is guessed is refused.
        text = data[len(mark) :].decode(name if mark else "utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise InputError(f"{path} cannot be read: {why}", f"It is to hold {holds}, and nothing else.") from error
    if not text:
        raise InputError(f"{path} is empty.", f"It is to hold {holds}, and nothing else.")
    return text


def _file(connection: Connection, folder: Path) -> Path:
    given = Path(connection.credential_file)
    systemd = os.environ.get("CREDENTIALS_DIRECTORY")
    if systemd and (Path(systemd) / given.name).is_file():
        return Path(systemd) / given.name
    return folder / given


def _from_keyring(name: str) -> str:
    import keyring
    import keyring.errors

    try:
        found = keyring.get_password(_KEYRING, name)
    except keyring.errors.KeyringError as error:
        raise InputError(f"the keyring cannot be used: {error}", "connection.credential has other ways.") from error
    if not found:
        raise InputError(f"the keyring has nothing for {name}.", f"Put it there: keyring set {_KEYRING} {name}")
    return found


class LoginGuard:
    """Keeps one account from being locked.

    Until the account's first success one gateway at a time tries it, and two refusals end the trying; after it a
    refusal is that gateway's own answer, and five in a row end it. Never are more log-ins under way than may still be
    refused, so that these numbers hold even where all of them are. Shared by the threads of one command.
    """

    before_success = 2
    after_success = 5

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[waiting.Signal] = deque()
        self._trying = 0
        self._succeeded = False
        self._refused, self._in_all = 0, 0
        self._refusers: set[str] = set()

    def check(self, gateway: str) -> None:
        """Errors: NotTried where a log-in at this gateway would not be let try."""
        with self._lock:
            self._check(gateway)

    @contextmanager
    def turn(self, gateway: str = "") -> Iterator[None]:
        """Around one log-in at a gateway. Errors: NotTried when no further log-in may be tried, or not there."""
        before = self._begun(gateway)
        outcome: bool | None = None
        try:
            yield
            outcome = True
        except Refused:
            outcome = False
            raise
        finally:
            self._note(gateway, outcome, before)

    def _begun(self, gateway: str) -> int:
        """Begin a log-in as soon as there is room for it; how many had been refused in all by then."""
        while True:
            with self._lock:
                self._check(gateway)
                if self._trying < self._room:
                    self._trying += 1
                    return self._in_all
                signal = waiting.Signal()
                self._waiting.append(signal)
            try:
                signal.wait()
            except BaseException:
                self._leave(signal)
                raise

    def _leave(self, signal: waiting.Signal) -> None:
        """Wait no longer, as by Ctrl-C. A turn that was given meanwhile is the next one's."""
        with self._lock:
            if signal in self._waiting:
                self._waiting.remove(signal)
            else:
                self._wake(1)

    def _wake(self, number: int) -> None:
        """Have so many of those look again who wait for their turn."""
        for _ in range(min(number, len(self._waiting))):
            self._waiting.popleft().give()

    def _check(self, gateway: str) -> None:
        if gateway and gateway in self._refusers:
            # Whoever waited for nothing lets the next one try.
            self._wake(1)
            raise NotTried(
                "no log-in was tried again: this gateway has refused it before", "Find out why, by hand, before more."
            )
        if self._closed:
            raise NotTried(
                f"no log-in was tried here: {self._refused} others were refused with this account",
                "Find out why, with one gateway (provisioner ping --only GATEWAY), before all are tried.",
            )

    @property
    def _limit(self) -> int:
        return self.after_success if self._succeeded else self.before_success

    @property
    def _closed(self) -> bool:
        return self._refused >= self._limit

    @property
    def _room(self) -> int:
        """How many log-ins may be under way."""
        return self._limit - self._refused if self._succeeded else 1

    def _note(self, gateway: str, outcome: bool | None, before: int) -> None:
        """A log-in ended: accepted, refused, or (None) neither, because the line broke. `before`: how many had been
        refused in all when it began."""
        with self._lock:
            self._trying -= 1
            # Once five were refused the guard stays shut: a success on the way does not open it again. Nor does one
            # count against refusals that came while it was under way: the password may have been changed in between.
            if outcome and not self._closed and before == self._in_all:
                self._succeeded, self._refused = True, 0
            elif outcome is False:
                self._refused += 1
                self._in_all += 1
                self._refusers.add(gateway)
            self._wake(len(self._waiting) if self._closed else max(self._room - self._trying, 0))


class OwnAccounts:
    """The same where each gateway has an account of its own (LAPS): one refusal there ends the trying there, and says
    nothing of another. Shared by the threads of one command."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._guards: dict[str, LoginGuard] = {}

    def check(self, gateway: str) -> None:
        """Errors: NotTried where a log-in at this gateway would not be let try."""
        self._of(gateway).check(gateway)

    def turn(self, gateway: str = "") -> AbstractContextManager[None]:
        """Around one log-in at a gateway. Errors: NotTried when none may be tried there any more."""
        return self._of(gateway).turn(gateway)

    def _of(self, gateway: str) -> LoginGuard:
        with self._lock:
            return self._guards.setdefault(gateway, LoginGuard())
