"""`Gallery`: the good server and every bad one behind one port, each by its own name.

One port listens and looks at the name that a ClientHello asks for; the connection then belongs to the server of that name.
Who does not speak TLS there is answered by HTTP.
"""

from __future__ import annotations

import difflib
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from cryptography import x509

from pytest_mtls.cases.case import CATALOGUE, Case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.clock import clock
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.readable import UNREADABLE
from pytest_mtls.errors import MtlsError, ServerNotRunning, UnknownCase
from pytest_mtls.server.connection import Connection
from pytest_mtls.server.http import default_app
from pytest_mtls.server.plain import PlainServer
from pytest_mtls.server.server import MutualTLSServer
from pytest_mtls.server.wsgi import WSGIApplication
from pytest_mtls.tls.engine import TLSContext
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.hello import is_tls, name_asked_for
from pytest_mtls.tls.wire import Deadline, wait_for

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["GOOD", "Exhibit", "Gallery"]

log = logging.getLogger("pytest_mtls")

#: What the good server is called.
GOOD = "good"
_DOMAIN = "localhost"
#: Themes of cases whose names are what is wrong, or right in an unusual way: they cannot have one more name.
_THEMES_OF_NAMES = ("names", "constraints")
#: How long a client has to say who it wants to talk to, in seconds.
_HELLO_SECONDS = 10.0
#: A ClientHello is one record, or a few (RFC 8446 section 5.1).
_LONGEST_HELLO = 65_536

#: How long a server presents the same certificate, in seconds.
_FRESH_SECONDS = 20.0

#: Is told of each verdict: the name of the server, and the handshake as it sees it.
OnVerdict = Callable[[str, Handshake], None]


@dataclass(frozen=True)
class Exhibit:
    """One server of a gallery.

    Attributes:
        id: the id of its case, or "good".
        case: what is wrong with it; None for the good one.
        host: the name that a client has to ask for, and to compare the certificate with.
        port: the port at which it is: the one of all, or its own.
    """

    id: str
    case: Case | None
    host: str
    port: int

    @property
    def url(self) -> str:
        """The URL that a client asks for."""
        return f"https://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"

    @property
    def is_local(self) -> bool:
        """Whether every resolver finds the host on this machine."""
        return self.host in (_DOMAIN, "127.0.0.1", "::1")


class Gallery(PlainServer):
    """All servers of the catalogue behind one port, on loopback. A context manager.

    ``expired.localhost`` is the server of the case ``expired``; who asks for another name, or for none, gets the good
    server. Cases that are about names cannot have one more; they are each on a port of their own. Those that take an extra
    which is not installed are not there, but in ``left_out``.

    Args:
        ca: issues the certificates of the servers, and is trusted for clients; its key must be here.
        host, port: as for `MutualTLSServer`.
        own_ports: whether every server has a port of its own, too, where it is asked for by the host of its case.
        app: the WSGI application that answers those who speak HTTP without TLS, and for the good server; None for the
            default one.
        on_verdict: called with the name of a server and the handshake, at each verdict, by the connection's thread.

    Raises:
        MissingPrivateKey: the CA's key is not here.
    """

    def __init__(
        self,
        ca: CertificateAuthority,
        *,
        host: str = _DOMAIN,
        port: int = 0,
        own_ports: bool = False,
        app: WSGIApplication | None = None,
        on_verdict: OnVerdict | None = None,
    ) -> None:
        super().__init__(host, port)
        self._app = app
        self._own_ports = own_ports
        self._on_verdict = on_verdict or (lambda name, handshake: None)
        self._ca = ca
        self._lock_of_servers = threading.Lock()
        self._servers: dict[str, _Shown] = {}
        self._cases: dict[str, _Made] = {GOOD: _Made(None, self._make_good, is_named=True)}
        every = CATALOGUE["server"].select(["*"])
        #: The cases that take an extra which is not installed.
        self.left_out = tuple(case for case in every if not case.can_be_played)
        for case in every:
            if case.can_be_played:
                self._cases[case.id] = _made(case, ca)
        self._good = self._make_good()  # raises what is wrong with the CA
        self._running = ExitStack()

    def _make_good(self) -> Identity:
        return self._ca.issue_server(_DOMAIN, f"{GOOD}.{_DOMAIN}", "127.0.0.1", "::1")

    # --- where they are ----------------------------------------------------------------------------------------------

    @property
    def exhibits(self) -> tuple[Exhibit, ...]:
        """All servers, the good one first.

        Raises:
            ServerNotRunning: the gallery has not been started, or has been stopped.
        """
        return tuple(self._exhibits())

    def _exhibits(self) -> Iterator[Exhibit]:
        front = self.port
        for id, made in self._cases.items():
            if self._own_ports or not made.is_named:
                host = _DOMAIN if made.case is None else made.case.host
                yield Exhibit(id, made.case, host, self.server(id).port)
            else:
                yield Exhibit(id, made.case, f"{id}.{_DOMAIN}", front)

    def server(self, id: str) -> MutualTLSServer:
        """The server of a case, or the "good" one, which is started at its first use.

        Raises:
            UnknownCase: there is no server of that name.
            ServerNotRunning: the gallery has not been started, or has been stopped.
        """
        if id not in self._cases:
            raise UnknownCase(id, "server", tuple(difflib.get_close_matches(id, self._cases, n=3)))
        with self._lock_of_servers:
            if not self.is_running:
                raise ServerNotRunning("server()", self._stopped)
            if id not in self._servers:
                made = self._cases[id]
                app = self._app if id == GOOD else None
                server = _Shown(
                    made,
                    partial(self._on_verdict, id),
                    app,
                    cert=made.case or self._good,
                    trust=self._ca,
                    host=self.host,
                )
                self._servers[id] = self._running.enter_context(server)
            return self._servers[id]

    # --- start and stop ----------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen and serve, in threads of its own.

        Raises:
            PortUnavailable: the port is in use.
            ServerNotRunning: it was stopped before; a gallery runs once.
        """
        super().start()
        try:
            for id, made in self._cases.items():
                if self._own_ports or not made.is_named:
                    self.server(id)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Close the ports and every connection, and end the threads. Stopping twice is not an error."""
        super().stop()
        with self._lock_of_servers:
            self._running.close()

    # --- at the port of all ------------------------------------------------------------------------------------------

    def application(self, sock: socket.socket) -> WSGIApplication:
        """What answers those who speak HTTP without TLS."""
        return self._app or default_app

    def _serve(self, sock: socket.socket, address: tuple[str, int]) -> None:
        try:
            name = _peek(sock)
        except OSError:
            self._forget(sock)
            sock.close()  # it has gone, or is silent
            return
        if name is None:
            super()._serve(sock, address)
            return
        id = name.removesuffix(f".{_DOMAIN}") if name.endswith(f".{_DOMAIN}") else GOOD
        try:
            server = self.server(id if id in self._cases else GOOD)
        except (MtlsError, OSError) as error:
            log.error("the server %s cannot be started: %s", id, error)
            self._forget(sock)
            sock.close()
            return
        self._forget(sock)
        server.serve_connection(sock, address)


@dataclass(frozen=True)
class _Made:
    """How the certificate of a server is made.

    Attributes:
        case: the case; None for the good server.
        make: makes it.
        is_named: whether it holds the server's own name below localhost.
    """

    case: Case | None
    make: Callable[[], Identity]
    is_named: bool


class _Shown(MutualTLSServer):
    """A server that runs for days: it makes its certificate anew now and then, and tells somebody of each verdict."""

    def __init__(
        self, made: _Made, told: Callable[[Handshake], None], app: WSGIApplication | None, **known: Any
    ) -> None:
        super().__init__(app, **known)
        self._told, self._make = told, made.make
        self._present_anew()

    def _current_context(self) -> TLSContext:
        """The context for the next connection. A certificate that ends in a minute has to do so for the next client, too."""
        if clock() - self._made > _FRESH_SECONDS:
            self._present_anew()
        return super()._current_context()

    def _present_anew(self) -> None:
        identity = self._make()
        self._context, self._crls = self._make_context(identity, self._trust, self._case, self._is_weak)
        self._identity, self._made = identity, clock()

    def _record(self, connection: Connection) -> None:
        super()._record(connection)
        assert connection.handshake is not None
        try:
            self._told(connection.handshake)
        except Exception:
            log.exception("the gallery's on_verdict raised")


def _made(case: Case, ca: CertificateAuthority) -> _Made:
    """How the certificate of a case is made, with its own name below localhost if it can have that."""
    leaf, name = Leaf("server", case.id), f"{case.id}.{_DOMAIN}"

    def make(leaf: Leaf) -> Identity:
        identity = case.build(ca, leaf)
        assert identity is not None
        return identity

    if case.host == _DOMAIN and case.theme not in _THEMES_OF_NAMES:
        named = leaf.changed(also_named=[name])
        if name in _dns_names(make(named)):
            return _Made(case, partial(make, named), is_named=True)
    return _Made(case, partial(make, leaf), is_named=False)


def _dns_names(identity: Identity) -> list[str]:
    try:
        names = identity.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.DNSName)
    except (x509.ExtensionNotFound, *UNREADABLE):
        return []


def _peek(sock: socket.socket) -> str | None:
    """The server name of a ClientHello, which stays unread; empty without a name, None for what is not TLS.

    Raises:
        OSError: the client has gone, or says nothing in time.
    """
    deadline, seen = Deadline(_HELLO_SECONDS), 0
    while True:
        if not wait_for(sock, deadline.remaining):
            raise TimeoutError("the client said nothing")
        data = sock.recv(_LONGEST_HELLO, socket.MSG_PEEK)
        if not is_tls(data):
            return None
        is_whole, name = name_asked_for(data)
        if is_whole or len(data) <= seen or len(data) >= _LONGEST_HELLO:
            with suppress(AttributeError, OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            return name or ""
        seen = len(data)
        with suppress(AttributeError, OSError):  # where there is no such option, the next look is the last
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, seen + 1)
