"""What `docs/reference/clients.md` says of each library, from real calls; and the page, made of it."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import distributions, version
from typing import Any, Protocol

from support.client_drivers import DRIVERS, Arguments, Server, Told, name_of
from support.requirements import require_library, require_library_apart, require_program

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer, Reason
from pytest_mtls.clients import LIBRARIES, Library, arguments

__all__ = ["COLUMNS", "People", "Row", "as_markdown", "line", "observe", "without_version"]

#: How long a library may go on trying to get in where it is not let in, in seconds.
PATIENCE = 0.4

Call = Callable[[], Any]


@dataclass(frozen=True)
class People:
    """Who takes part: one server, in several lights, and its clients."""

    ca: CertificateAuthority
    untrusted: CertificateAuthority
    server: Identity
    alice: Identity
    expired: Identity

    @classmethod
    def of(cls, ca: CertificateAuthority, untrusted: CertificateAuthority) -> People:
        """Issue their certificates; the server's is for ``localhost`` alone."""
        expired = ca.issue_client("alice", not_before=-10, not_after=-1)
        return cls(ca, untrusted, ca.issue_server("localhost"), ca.issue_client("alice"), expired)


@dataclass(frozen=True)
class Row:
    """One library's row.

    Attributes:
        library: its name.
        version: the one that was used here.
        passed: its arguments, the values by their kinds.
        arrived: the subject of the certificate that its server saw.
        expired, without: what it raises when the server rejects an expired certificate, and none at all.
        wrong_host, untrusted: what it raises when the server's certificate is another host's, and by an unknown CA.
    """

    library: str
    version: str
    passed: str
    arrived: str
    expired: str
    without: str
    wrong_host: str
    untrusted: str

    @property
    def cells(self) -> tuple[str, ...]:
        """What the page's table has of it."""
        refused = self.expired if self.expired == self.without else f"{self.expired}; without: {self.without}"
        bad = self.wrong_host if self.wrong_host == self.untrusted else f"{self.wrong_host}; {self.untrusted}"
        return self.library, self.version, self.passed, self.arrived, refused, bad


COLUMNS = ("library", "version", "what is passed", "what arrives", "refused, it raises", "at a bad server, it raises")


class Watched(Protocol):
    """A server that knows which certificates arrive."""

    @property
    def port(self) -> int:
        """Where it listens on ``localhost``."""

    def accepted(self, call: Call, client: Identity) -> str:
        """Let a client in; gives the subject of its certificate as it arrived."""

    def refused(self, call: Call, reason: Reason) -> Exception:
        """Refuse a client; gives what that raised."""

    def judged(self, call: Call) -> Exception:
        """Be rejected by a client; gives what that raised."""


@dataclass(frozen=True)
class OurServer:
    """A `MutualTLSServer`, which sees each handshake itself."""

    server: MutualTLSServer

    @property
    def port(self) -> int:
        return self.server.port

    def accepted(self, call: Call, client: Identity) -> str:
        with self.server.expect_accepted(client) as seen:
            call()
        assert seen.handshake.peer_certificate is not None
        return seen.handshake.peer_certificate.subject.rfc4514_string()

    def refused(self, call: Call, reason: Reason) -> Exception:
        with self.server.expect_rejected(reason) as seen:
            call()
        assert seen.exception is not None, "the server refused the client, and that did not mind"
        return seen.exception

    def judged(self, call: Call) -> Exception:
        bookmark = self.server.bookmark()
        error = raised_by(call)
        assert [] != list(self.server.handshakes_since(bookmark, wait=True)), f"the client never came: {error!r}"
        return error


@dataclass(frozen=True)
class PostgreSQL:
    """A real one, which tells a client whose certificate it has seen."""

    port: int

    def accepted(self, call: Call, client: Identity) -> str:
        assert client.serial_number == call()
        return client.subject

    def refused(self, call: Call, reason: Reason) -> Exception:
        return raised_by(call)

    def judged(self, call: Call) -> Exception:
        return raised_by(call)


def raised_by(call: Call) -> Exception:
    """What a call raises, which must not go well."""
    try:
        call()
    except Exception as error:  # noqa: BLE001 - any library's own
        return error
    raise AssertionError("the call went well")


@contextmanager
def server_for(name: str, people: People, postgresql: Callable[[], int]) -> Iterator[Watched]:
    """What one library calls: a `MutualTLSServer` if it can, else the PostgreSQL at the given port."""
    options = DRIVERS[name].served_by
    if not options:
        yield PostgreSQL(postgresql())
        return
    with MutualTLSServer(cert=people.server, trust=people.ca, **options) as server:
        yield OurServer(server)


def observe(name: str, people: People, postgresql: Callable[[], int]) -> Row:
    """Let one library call: once as it should be, and in four ways that must fail.

    Raises:
        AssertionError: it does not get in where it should, or does where it should not.
        HandshakeAssertionError: the server saw something else than it should.
    """
    library, driver = LIBRARIES[name], DRIVERS[name]
    if library.module is not None and name != "niquests":
        require_library(library.module, pip=name)

    def met(watch: Callable[[Watched, Call], Any], client: Identity | None, **options: Any) -> Any:
        """A server of its own for each call, so that a library which goes on trying does not disturb the next."""
        trust, host = options.get("trust", people.ca), options.get("host", "localhost")
        with server_for(name, people, postgresql) as server:
            where = Server(host, server.port, options.get("patience", PATIENCE))
            return watch(server, lambda: driver.call(where, arguments(name, client, trust)))

    def refused(reason: Reason) -> Callable[[Watched, Call], str]:
        return lambda server, call: told(server.refused(call, reason))

    def judged(server: Watched, call: Call) -> str:
        return told(server.judged(call))

    return Row(
        library=name,
        version=version_of(library),
        passed=passed(arguments(name, people.alice, people.ca), people),
        arrived=met(lambda server, call: server.accepted(call, people.alice), people.alice, patience=5.0),
        expired=met(refused(Reason.EXPIRED), people.expired),
        without=met(refused(Reason.NO_CERTIFICATE), None),
        wrong_host=met(judged, people.alice, host="127.0.0.1"),
        untrusted=met(judged, people.alice, trust=people.untrusted),
    )


def told(error: Exception) -> str:
    """What a table says of an exception: the name that one would write after ``except``."""
    return str(error) if isinstance(error, Told) else name_of(type(error))


def version_of(library: Library) -> str:
    """The version that is used here."""
    if library.module is None:
        program = require_program("curl", apt="curl")
        return subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    if library.name == "niquests":
        return next(iter(distributions(name="niquests", path=[str(require_library_apart("niquests"))]))).version
    return version(library.name)


def passed(arguments: Arguments, people: People) -> str:
    """Arguments, with the values by what they are of the client and of the CA."""
    alice, ca = people.alice, people.ca
    known: dict[Any, str] = {
        ca.cert_path: "ca.cert_path",
        ca.pem: "ca.pem",
        alice.cert_path: "cert_path",
        alice.cert_pem: "cert_pem",
        alice.key_path: "key_path",
        alice.key_pem: "key_pem",
        alice.combined_path: "combined_path",
        (alice.cert_path, alice.key_path): "(cert_path, key_path)",
    }

    def kind(value: Any) -> str:
        if isinstance(value, ssl.SSLContext):
            return "ssl_context"
        if type(value).__name__ == "Config":
            return f"Config(client_cert={kind(value.client_cert)})"
        if type(value).__name__ == "SSLOptions":
            return f"SSLOptions({kind(value.context)})"
        return known.get(value) or repr(value).replace("'", '"')

    return ", ".join(
        f"`{name}{' ' if name.startswith('-') else '='}{kind(value)}`" for name, value in arguments.items()
    )


def without_version(line: str) -> str:
    """A line of the table, less the version, which is another one on another machine."""
    cells = line.split(" | ")
    return " | ".join([*cells[:1], *cells[2:]])


def line(cells: Iterable[str]) -> str:
    """A line of the table."""
    return f"| {' | '.join(cells)} |"


def as_markdown(rows: Iterable[Row]) -> str:
    """The table."""
    return "\n".join([line(COLUMNS), line("---" for _ in COLUMNS), *(line(row.cells) for row in rows)])
