"""Reading the gateways of a fleet: how they are called, with one login guard for each account."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from provisioner import capacity
from provisioner.directory import laps
from provisioner.directory.ldap import Directory
from provisioner.errors import InputError
from provisioner.evidence import collect, question
from provisioner.model import Evidence, Fleet, Gateway
from provisioner.model.lines import Lines
from provisioner.transport import credentials, waiting, winrm
from provisioner.transport.credentials import SECRET, USER, LoginGuard, OwnAccounts
from provisioner.transport.session import Login
from provisioner.transport.ticket import Ticket, of_the_person

AskPassword = Callable[[str], str]
Guard = LoginGuard | OwnAccounts


def nobody(question: str) -> str:
    """Asked for a password where nobody is there to be asked. Errors: InputError."""
    raise InputError(f"{question} Nobody can be asked here.", "Give connection.credential another value in fleet.yml.")


def _caller(fleet: Fleet, credential: credentials.Credential, ticket: Ticket | None, guard: Guard) -> winrm.Caller:
    connection, folder = fleet.settings.connection, Path(fleet.folder)
    login = Login(transport=connection.transport, user=credential.user, password=credential.password, turn=guard.turn)
    if ticket is not None:
        login = replace(login, password="", cache=ticket.cache)
    return winrm.Caller(connection=connection, tls=winrm.tls_context(connection, folder), login=login)


def directory(fleet: Fleet, ticket: Ticket | None) -> Directory:
    """The directory of a fleet's domain, not yet asked: by that ticket, or by the one of the person or the system."""
    own = ticket or Ticket(of_the_person(""), "the ticket's owner")
    return Directory(fleet.settings.directory, Path(fleet.folder), own)


def files_of(fleet: Fleet) -> list[str]:
    """The full paths, on a gateway, of the files that the fleet makes from templates, and of those that a migration
    carries."""
    connector = fleet.settings.connector
    paths = dict.fromkeys([*(file.path for file in connector.files), *connector.carry])
    return [connector.at(path) for path in paths]


class Reader:
    """Reads gateways of one fleet. One guard for the whole command: a refused password stays refused; and one Kerberos
    ticket, None where the fleet's log-ins are of another kind. Passwords that the directory has (LAPS) are asked for at
    each log-in, and are not kept.

    `ask_password` (the question) is asked where fleet.yml says `prompt`. Errors: InputError where there is no
    credential.
    """

    def __init__(self, fleet: Fleet, ask_password: AskPassword = nobody) -> None:
        self.fleet = fleet
        connection, folder = fleet.settings.connection, Path(fleet.folder)
        self._guard: Guard = OwnAccounts() if connection.credential == "laps" else LoginGuard()
        self.turn = self._guard.turn
        credential = credentials.find(connection, folder, ask_password)
        self.ticket = credentials.ticket(connection, credential, folder)
        self._laps = directory(fleet, None) if connection.credential == "laps" else None
        self._caller = _caller(fleet, credential, self.ticket, self._guard)
        self._script = question.script().encode("ascii")

    def probe(self, gateway: Gateway) -> bool:
        """Whether the gateway answers again, by its WinRM and without a log-in."""
        return winrm.probe(gateway, self._caller)

    def secret(self, name: str) -> str:
        """A gateway's password, with `user:GATEWAY` whose it is, or with `secret:NAME` a secret of the Connector's
        files. Errors: InputError, NoPassword."""
        if self._laps is not None and not name.startswith(SECRET):
            own = self._own(self._laps, self._named(name.removeprefix(USER)))
            return own.user if name.startswith(USER) else own.password
        reference = name.removeprefix(SECRET)
        if reference == name:
            return self._caller.login.password
        return credentials.secret(reference, self._caller.connection, Path(self.fleet.folder))

    def read(self, gateways: Sequence[Gateway], sections: Callable[[Gateway], Iterable[str]]) -> Iterator[Evidence]:
        """Evidence of each gateway as it comes; `sections` says what is asked of one."""

        def ask(gateway: Gateway) -> bytes:
            self._guard.check(gateway.name)
            settings = question.question(self.fleet.settings, sections(gateway), files_of(self.fleet))
            # A gateway must leave a hung section behind well before we leave the gateway behind.
            settings["section_seconds"] = min(question.SECTION_SECONDS, int(self._caller.connection.deadline * 0.6))
            login = self._login(gateway)
            return winrm.run(gateway, replace(self._caller, login=login), self._script, settings)

        connection = self.fleet.settings.connection
        at_once = min(connection.at_once, capacity.readings())
        return collect.collect(gateways, ask, at_once, Lines(gateways, connection.at_once_per))

    def _login(self, gateway: Gateway) -> Login:
        """The log-in at one gateway. Errors: NoPassword."""
        login = replace(self._caller.login, turn=lambda: self._guard.turn(gateway.name))
        if self.ticket is not None:
            return replace(login, user=self.ticket.who)
        if (domain := self._laps) is not None:
            own = waiting.aside(lambda: self._own(domain, gateway))
            return replace(login, user=own.user, password=own.password)
        return login

    def _own(self, domain: Directory, gateway: Gateway) -> credentials.Credential:
        return laps.credential(domain, gateway, self._caller.connection.user)

    def _named(self, name: str) -> Gateway:
        found = next((one for one in self.fleet.known if one.name == name), None)
        if found is None:
            raise InputError(f"There is no gateway {name} in this fleet.", "See practices.csv.")
        return found
