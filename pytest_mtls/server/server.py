"""The server end: accept, observe, record, drain.

The threads of the `acceptor` accept and shake hands, step by step, so that a silent client delays nobody; every connection
then has one of the `workers` to itself, where it may wait. What happened is kept under one lock. Whoever asks for the
handshakes first lets those in progress come to their verdict. No connection is waited for whose client has not sent what
the server waits for, so a silent one costs nothing.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

from pytest_mtls.cases.behaviour import ClientCerts, ServerBehaviour, ServerMisbehaviour, Staple
from pytest_mtls.cases.case import Case
from pytest_mtls.cases.presentation import PeerArgument, presented
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.stapling import Stapler
from pytest_mtls.certificates.trust import CRLSource, Trust, TrustArgument, trust_in
from pytest_mtls.client.endpoint import Endpoint, is_address
from pytest_mtls.errors import InvalidArgument, MtlsError, ServerNotRunning
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import Side
from pytest_mtls.reasons.versions import TLS_VERSIONS
from pytest_mtls.server.acceptor import Acceptor
from pytest_mtls.server.asgi import ServedASGI
from pytest_mtls.server.connection import Connection, Handler, ServingSocket
from pytest_mtls.server.history import History
from pytest_mtls.server.http import default_app, http_handler
from pytest_mtls.server.http2 import HTTP2, require_http2
from pytest_mtls.server.listener import Listener
from pytest_mtls.server.workers import Workers
from pytest_mtls.server.wsgi import WSGIApplication
from pytest_mtls.tls.context import engine_context, set_up_server
from pytest_mtls.tls.engine import Engine, TLSContext, second_engine
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.assertions import Expectation, expect_accepted, expect_rejected
from pytest_mtls.verdict.client_rotation import RotationExpectation, expect_rotation

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["MutualTLSServer"]

T = TypeVar("T")

log = logging.getLogger("pytest_mtls")

#: How many threads shake hands. Each message is told to Python, so that threads need the interpreter some forty times in a
#: handshake: with one more they wait for it more than they compute, as benchmarks/server.py measures.
_RECEIVING_THREADS = 2

#: How many accepted clients are remembered, so that nobody has to ask again whether they get in.
_MOST_ACCEPTED = 64

#: How long `stop` waits for a connection's thread, in seconds. Only an app that does not return takes so long.
_JOIN_SECONDS = 5.0

#: How long is waited for what accepted clients said last to be read, in seconds: it may be that they reject the server.
#: It is read at once, but by an app that does not read.
_HEAR_OUT_SECONDS = 1.0


class MutualTLSServer:
    """A TLS server in this process, on loopback.

    Args:
        app: the WSGI application that answers over HTTP (`asgi_app` makes one of an ASGI application); by default one
            that tells the client, as JSON, who it is.
        cert: what the server presents: an `Identity`, a server `Case`, or trustme's LeafCert.
        trust: the CA or CAs whose clients it accepts; needed unless ``client_certs`` is "none".
        client_certs: whether a client certificate is "required", the default, or "optional", or "none" is asked for.
        tls: "1.2" or "1.3"; both by default.
        host: "localhost" (IPv4 and IPv6), "127.0.0.1" or "::1".
        port: TCP port; 0, the default, for any that is free.
        alpn: application protocols it accepts, the preferred one first. Over "h2", HTTP/2, the app answers too; that
            needs the extra ``h2``.
        handler: instead of ``app``, a callable for any other protocol: it is called with the connected
            `ssl.SSLSocket`, in blocking mode, and the `Handshake`; the connection is closed when it returns.
        strict: reject certificates that only RFC 5280's profile forbids (``VERIFY_X509_STRICT``), as is the default.
        revocation: whether client chains are checked by CRL. By default they are where the keys of all trusted CAs are
            here; the server then follows the CAs: who is revoked now is rejected at the next handshake.
        handshake_timeout: seconds that a client has for its handshake; 5 by default.
        idle_timeout: seconds that an accepted client may be silent; 60 by default.
        misbehaviour: what to do instead of serving, for clients that have to live with it: "close", "reset", "hang",
            speak plain "http" or send a fatal "alert" when the client has said hello, or "reset after handshake".
        keep: how many handshakes are kept, the last ones; None for all.
        client: a client that the application accepts, if it goes by name: the clients of cases carry its names, and it
            is the control beside each rejection.
        engine: the TLS library that does its handshakes: "ssl", the standard library with the OpenSSL that Python was
            built with; or "pyopenssl", with the OpenSSL of `cryptography`, which is newer as a rule. A server case that
            staples is played by "pyopenssl" in any case.
        staple: the OCSP answer that it staples to its certificate for clients that ask for one: "current" for good or,
            where the CA has revoked the certificate, revoked; or one that is "revoked" whatever the CA says, "stale",
            "forged", "of another issuer", "of an unauthorized signer", "unknown" or "try later". None or "absent" to staple
            nothing. It needs ``engine="pyopenssl"``, and among ``trust`` the CA that issued ``cert``, with its key. A server
            case has its own answer, if it has one.
        client_ca_names: the CAs whose subjects are sent as CA names when a certificate is asked for (RFC 8446 section
            4.2.4, RFC 5246 section 7.4.4): many clients choose their certificate by them, and present none where no name
            fits. None to send no names, as Python's ssl does. It needs ``engine="pyopenssl"``; what is trusted is another
            matter, and stays with ``trust``.

    Raises:
        InvalidArgument: an argument is none that there can be, or needs another one.
        AuthorityUsedAsIdentity, MissingPrivateKey, KeyMismatch, UnusableIdentity: ``cert`` cannot be presented.
        MissingExtra: ``alpn`` offers "h2", and h2 is not installed; or ``engine`` is "pyopenssl", and pyOpenSSL is not.
    """

    def __init__(
        self,
        app: WSGIApplication | None = None,
        *,
        cert: PeerArgument,
        trust: TrustArgument | None = None,
        client_certs: ClientCerts = "required",
        tls: str | None = None,
        host: str = "localhost",
        port: int = 0,
        alpn: Sequence[str] = (),
        handler: Handler | None = None,
        strict: bool = True,
        revocation: bool | None = None,
        handshake_timeout: float = 5.0,
        idle_timeout: float = 60.0,
        misbehaviour: ServerMisbehaviour | None = None,
        keep: int | None = 1000,
        client: Identity | None = None,
        engine: Engine = "ssl",
        staple: Staple | None = None,
        client_ca_names: TrustArgument | None = None,
    ) -> None:
        behaviour = ServerBehaviour(client_certs, tls, alpn, misbehaviour, staple)
        if app is not None and not callable(app):
            raise InvalidArgument("app", app, "a WSGI application")
        if app is not None and handler is not None:
            raise InvalidArgument("handler", handler, "None where there is an app: a server speaks one protocol")
        for name, seconds in (("handshake_timeout", handshake_timeout), ("idle_timeout", idle_timeout)):
            if not seconds > 0:
                raise InvalidArgument(name, seconds, "a number of seconds above 0")
        self._history = History(keep)
        self._client = client
        self._engine: Engine = engine
        self._client_ca_names = None if client_ca_names is None else Trust.of(client_ca_names)
        self.host = host
        self._behaviour = behaviour
        self.handshake_timeout = handshake_timeout
        self.idle_timeout = idle_timeout
        self._wanted_port = port
        self._strict, self._revocation = strict, revocation
        self._speaks_http = handler is None
        self._handler = handler or http_handler(app or default_app)
        self._app = app
        self._inside = ExitStack()
        self._changed = threading.Condition()
        #: The last handshakes of clients that were accepted with the context of now, by certificate, version and name.
        self._accepted: OrderedDict[tuple[bytes, str | None, str | None], Handshake] = OrderedDict()
        self._configure(cert, trust)
        self._stopped = False
        self._acceptor: Acceptor | None = None
        self._live: set[Connection] = set()
        self._workers = Workers("mtls-connection")
        self._watchers = 0

    def __repr__(self) -> str:
        return f"<MutualTLSServer {self.url if self.is_running else 'that is not running'}>"

    # --- where it is -------------------------------------------------------------------------------------------------

    @property
    def is_running(self) -> bool:
        """Whether it has been started and not stopped."""
        return self._acceptor is not None

    @property
    def port(self) -> int:
        """The TCP port it listens on.

        Raises:
            ServerNotRunning: it has not been started, or has been stopped.
        """
        return self._running("the port").port

    @property
    def address(self) -> tuple[str, int]:
        """The (host, port) pair, as `socket.create_connection` takes it; raises as `port` does."""
        return self.host, self.port

    @property
    def url(self) -> str:
        """The URL of its root, e.g. ``https://localhost:40123``; raises as `port` does."""
        host = self._case.host if self._case is not None and is_address(self._case.host) else self.host
        return f"https://[{host}]:{self.port}" if ":" in host else f"https://{host}:{self.port}"

    @property
    def endpoint(self) -> Endpoint:
        """What a probe needs to know of it; raises as `port` does."""
        issuer = self._trust.issuer if self._trust is not None else None
        name = self._case.host if self._case is not None else None
        return Endpoint(
            self.host,
            self.port,
            server_name=name,
            trust=self._client_trust,
            ca=issuer,
            server_case=self._case,
            client=self._client,
        )

    @property
    def client_certs(self) -> ClientCerts:
        """Whether a client certificate is "required" or "optional", or "none" is asked for; a case may have its own way."""
        return self._behaviour_of(self._case).client_certs or "required"

    @property
    def cert(self) -> Identity:
        """What the server presents."""
        return self._identity

    @property
    def trust(self) -> Trust | None:
        """The CAs whose clients it accepts."""
        return self._trust

    # --- start, stop, reload -----------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Listen and serve, in threads of its own.

        Raises:
            PortUnavailable: the port is in use.
            ServerNotRunning: it was stopped before; a server runs once.
            OSError, RuntimeError: this process can have no more descriptors, or no more threads.
        """
        if self._stopped:
            raise ServerNotRunning("start()", stopped=True)
        if self._acceptor is None:
            with ExitStack() as inside:
                if isinstance(self._app, ServedASGI):
                    inside.enter_context(self._app)
                self._acceptor = Acceptor(
                    Listener(self.host, self._wanted_port),
                    "mtls-accept",
                    self._take,
                    self._note_exhaustion,
                    self._notify,
                    _RECEIVING_THREADS,
                )
                try:
                    self._acceptor.start()
                except BaseException:
                    self._acceptor = None
                    raise
                self._inside = inside.pop_all()
        return self

    def stop(self) -> None:
        """Close the port and every connection, and end the threads. Stopping twice is not an error."""
        acceptor, self._acceptor, self._stopped = self._acceptor, None, True
        if acceptor is None:
            return
        acceptor.stop()
        with self._changed:
            live = list(self._live)
        for connection in live:
            connection.abort()
        self._workers.close(_JOIN_SECONDS)
        self._inside.close()

    def reload(self, *, cert: PeerArgument | None = None, trust: TrustArgument | None = None) -> None:
        """Go on with another certificate or other trusted CAs, from the next handshake on.

        The port stays open and connections stay up. Sessions begun before cannot be resumed. If the new ones cannot be
        used, nothing changes.

        Args:
            cert: what to present from now on; as before by default.
            trust: the CAs to trust from now on, and no others; as before by default.

        Raises:
            MtlsError: what the constructor raises for them.
            ServerNotRunning: it does not run.
        """
        self._running("reload()")
        self._configure(self._case or self._identity if cert is None else cert, self._trust if trust is None else trust)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    # --- what happened -----------------------------------------------------------------------------------------------

    @property
    def handshakes(self) -> tuple[Handshake, ...]:
        """The handshakes so far, in the order of their verdicts; the last ones, if there were more than are kept.

        Those in progress are let come to their verdict first, except where the client is silent.
        """
        with self._changed:
            self._let_settle(0, wait=False)
            return self._history.kept()

    def clear(self) -> None:
        """Forget the handshakes so far.

        Those in progress are let come to their verdict first, except where the client is silent.
        """
        with self._changed:
            self._let_settle(0, wait=False)
            self._history.clear()

    def bookmark(self) -> int:
        """A place in the order of connections, for `handshakes_since`: all that come from now on are after it."""
        with self._changed:
            self._wait_for(self._is_accept_queue_empty, self.handshake_timeout)
            return self._history.count

    def handshakes_since(
        self,
        bookmark: int,
        *,
        wait: bool = False,
        at_most: float | None = None,
        by_arrival: bool = False,
        late: bool = False,
    ) -> tuple[Handshake, ...]:
        """The handshakes of connections that came after a bookmark, in the order of their verdicts.

        Args:
            bookmark: what `bookmark` returned.
            wait: also wait for clients that are silent, until they speak or their time is over.
            at_most: seconds that they are waited for; those that have not begun a handshake are then not waited for at
                all. None to wait for all until the time for their handshake is over.
            by_arrival: in the order in which the connections came instead.
            late: also wait a moment for accepted clients that have sent no data yet: they may end the connection, since they
                judge the server only after their handshake.

        Raises:
            HandshakesForgotten: there were more than are kept.
        """
        with self._changed:
            self._let_settle(bookmark, wait=wait, at_most=at_most, late=late)
            return self._history.since(bookmark, by_arrival=by_arrival)

    def is_one_open_from_before(self, bookmark: int) -> bool:
        """Whether a connection that was accepted before a bookmark is still open, as clients keep one alive.

        Args:
            bookmark: what `bookmark` returned.
        """
        with self._changed:
            before = [one.recorded for one in self._live if one.number < bookmark]
            return any(handshake is not None and handshake.accepted for handshake in before)

    def handshake_of(self, client_address: tuple[str, int], bookmark: int, timeout: float) -> Handshake | None:
        """The handshake of the client that connected from this address; None if there is none in time.

        Args:
            client_address: the client's own (host, port).
            bookmark: what `bookmark` returned before it connected: another client may have had its port earlier.
            timeout: seconds to wait for its verdict.
        """
        with self._changed:
            return self._wait_for(lambda: self._history.of_client(client_address, bookmark), timeout)

    def accepted_client(self, certificate_der: bytes, tls: str | None, server_name: str | None) -> Handshake | None:
        """The last handshake with a client's certificate that was accepted, as the server is set up now.

        Args:
            certificate_der: the client's own certificate.
            tls: "1.2" or "1.3"; None for either.
            server_name: the name that the client asked for; None for none.

        Returns:
            None if there is none among the last ones, or since `reload` or a revocation.
        """
        versions = TLS_VERSIONS if tls is None else (tls,)
        with self._changed:
            if self._is_outdated():
                return None  # the next connection is judged by what has changed
            found = (self._accepted.get((certificate_der, f"TLSv{version}", server_name)) for version in versions)
            return next((handshake for handshake in found if handshake is not None), None)

    def wait_for_handshake(self, bookmark: int, wanted: Callable[[Handshake], bool], timeout: float) -> float | None:
        """When the first handshake of a kind came, among the connections after a bookmark.

        Args:
            bookmark: what `bookmark` returned.
            wanted: whether a handshake is of that kind.
            timeout: seconds to wait for one.

        Returns:
            The moment of its verdict by `pytest_mtls.certificates.clock.clock`; None if there is none in time.

        Raises:
            HandshakesForgotten: there were more than are kept.
        """
        with self._changed:
            return self._wait_for(lambda: self._history.moment_of(bookmark, wanted), timeout)

    # --- assertions ---------------------------------------------------------------------------------------------------

    def expect_accepted(self, client: Identity | None = None) -> Expectation:
        """Assert that the clients which connect in a ``with`` block are accepted.

        It fails if nobody connects, or any handshake is rejected or undecided. What the block raises passes through,
        unless a rejection explains it better.

        Args:
            client: whose handshakes are judged; everybody's by default. Those of other clients, such as a health
                check in the background, then do not count.

        Returns:
            A context manager; it gives itself, with ``handshakes`` and ``handshake``.

        Raises:
            HandshakeAssertionError: at the end of the block.
            ServerNotRunning: the server does not run.
        """
        return expect_accepted(self, client)

    def expect_rejected(
        self, reason: Reason | str | None = None, *, by: Side | None = None, client: Identity | None = None
    ) -> Expectation:
        """Assert that the handshakes in a ``with`` block are rejected, for the right reason.

        It fails if nobody connects, if any handshake is accepted or undecided, or if one is rejected by the other side
        or for another reason. Several rejections are fine, since many clients try again. What the client raises because
        of them is swallowed and kept; an `AssertionError`, ``pytest.fail`` or a plain slip (a `NameError`, `TypeError`,
        `AttributeError` or `ImportError`) passes through.

        Some clients check the server's name only after their handshake, and close without sending a byte. That counts
        as a rejection by the client if the block raises the client's error.

        Args:
            reason: why; any reason by default.
            by: the side that rejects, "server" or "client"; by default "client" where this server plays a bad server's
                case, else "server".
            client: whose handshakes are judged; everybody's by default. Those of other clients, such as a health
                check in the background, then do not count.

        Returns:
            A context manager; it gives itself, with ``handshakes``, ``handshake`` and ``exception``.

        Raises:
            HandshakeAssertionError: at the end of the block.
            InvalidArgument: an unknown reason or side.
            ServerNotRunning: the server does not run.
        """
        return expect_rejected(self, reason, by, client)

    def expect_rotation(self, old: Identity, new: Identity, within: float = 10.0) -> RotationExpectation:
        """Assert that a client under test changes over to another certificate in a ``with`` block.

        The block begins with the rotation, that of the client's `RotatingFiles` say, and goes on for as long as the
        client connects anew. When it ends early, the new certificate is waited for until the time is over.

        It fails if the client makes no new connection, if the new certificate does not come in time, if the old one comes
        after the new, or if any handshake is rejected or undecided. Only who presents the old certificate, the new one,
        or none is taken for the client; others do not count.

        Args:
            old: what the client presents at first.
            new: what it has to present.
            within: seconds from the beginning of the block until the first handshake with ``new``.

        Returns:
            A context manager; it gives itself, with ``handshakes`` and ``seconds``.

        Raises:
            HandshakeAssertionError: at the end of the block.
            InvalidArgument: an argument that cannot be.
            ServerNotRunning: the server does not run.
        """
        self._running("expect_rotation()")
        return expect_rotation(self, old, new, within)

    # --- inside ------------------------------------------------------------------------------------------------------

    def _let_settle(self, bookmark: int, *, wait: bool, at_most: float | None = None, late: bool = False) -> None:
        """Let the connections from a bookmark until now come to their verdict; the lock is held.

        Those that come meanwhile, from a client in the background, are not waited for.
        """
        self._wait_for(self._is_accept_queue_empty, self.handshake_timeout)
        end = self._history.count

        def those() -> Iterator[Connection]:
            return (c for c in self._live if bookmark <= c.number < end)

        def is_left_alone(connection: Connection) -> bool:
            is_waited_for = wait and (at_most is None or connection.has_begun())
            return not is_waited_for and connection.is_client_silent()

        def is_settled() -> bool:
            return all(c.recorded is not None or is_left_alone(c) for c in those())

        def is_heard_out() -> bool:
            return not any(
                c.has_unread() or c.handshake is not c.recorded or (late and c.may_still_judge()) for c in those()
            )

        self._wait_for(is_settled, self.handshake_timeout + 1.0 if at_most is None else at_most)
        self._wait_for(is_heard_out, _HEAR_OUT_SECONDS)

    def _running(self, operation: str) -> Acceptor:
        if self._acceptor is None:
            raise ServerNotRunning(operation, self._stopped)
        return self._acceptor

    def _configure(self, cert: PeerArgument, trust: TrustArgument | None) -> None:
        """Take up a certificate and trust, all of it or (where anything is wrong) nothing."""
        known = None if trust is None else Trust.of(trust)
        issuer = known.issuer if known is not None else None
        presents = presented(cert, "server", issuer)
        identity = presents.identity
        if identity is None:
            raise InvalidArgument("cert", cert, "an Identity, a server Case, or trustme's LeafCert")
        with self._changed:  # the accepting thread may be about to follow a revocation with what was there before
            case = presents.case
            revision = known.revision if known is not None else 0
            context, crls = self._make_context(identity, known, case, presents.is_weak)
            self._is_weak = presents.is_weak
            self._identity, self._trust, self._context, self._crls = identity, known, context, crls
            self._revision = revision
            self._accepted.clear()
            self._case = case
            self._client_trust = known if self._case is not None else trust_in(identity, known)

    def _make_context(
        self, identity: Identity, trust: Trust | None, case: Case | None, weak: bool
    ) -> tuple[TLSContext, CRLSource | None]:
        behaviour = self._behaviour_of(case)
        crls = None if trust is None else trust.crl_source(self._revocation)
        if HTTP2 in (behaviour.alpn or ()) and self._speaks_http:
            require_http2()
        engine: Engine = "pyopenssl" if case is not None and case.extra == "pyopenssl" else self._engine
        context = engine_context(engine, "server", behaviour.tls)
        set_up_server(
            context,
            identity,
            trust,
            client_certs=behaviour.client_certs or "required",
            alpn=behaviour.alpn or (),
            strict=self._strict,
            revocation=self._revocation,
            weak=weak,
        )
        if behaviour.staples:
            self._staple(context, identity, trust, case)
        if self._client_ca_names is not None:
            names = second_engine(context, "client_ca_names", self._client_ca_names)
            names.send_ca_names(ca.certificate for ca in self._client_ca_names.authorities)
        context.sslsocket_class = ServingSocket
        return context, crls

    def _staple(self, context: TLSContext, identity: Identity, trust: Trust | None, case: Case | None) -> None:
        """Have an answer stapled; none to the certificate of a case that nobody here can answer for."""
        staple = self._behaviour_of(case).staple
        assert staple is not None
        wider = second_engine(context, "staple", staple)
        try:
            stapler = Stapler(identity, trust.authorities if trust is not None else (), staple)
        except InvalidArgument:
            if case is None or case.extra is not None:
                raise
            return
        wider.staple(stapler)

    def _behaviour_of(self, case: Case | None) -> ServerBehaviour:
        """How it treats its clients: as the case that it plays has it, and else as it was told."""
        of_case = None if case is None else case.behaviour
        return of_case.over(self._behaviour) if isinstance(of_case, ServerBehaviour) else self._behaviour

    def _current_context(self) -> TLSContext:
        """The context for the next connection, made anew if a CA has revoked anything since."""
        trust = self._trust
        if trust is not None and self._is_outdated():
            revision = trust.revision
            if trust.crl_source(self._revocation) != self._crls:
                self._context, self._crls = self._make_context(self._identity, trust, self._case, self._is_weak)
                self._accepted.clear()
            self._revision = revision
        return self._context

    def _is_outdated(self) -> bool:
        """Whether clients are checked by CRLs, and these may have changed or gone since the context was made."""
        if self._trust is None or self._crls is None:
            return False
        return self._trust.revision != self._revision or not self._crls.is_there

    def serve_connection(self, sock: socket.socket, address: tuple[str, int]) -> None:
        """Serve a connection that was accepted already, on a thread of its own.

        For who listens for several servers at once and looks who is asked for. Nothing may have been read from it.

        Args:
            sock: the TCP socket; it is closed in the end.
            address: the client's (host, port).
        """
        connection = self._welcome(sock, address)
        if connection is not None:
            self._have_served(connection)

    def _take(self, sock: socket.socket, address: tuple[str, int]) -> Connection | None:
        """Take note of a connection; it is returned if the thread that took it is to lead its handshake."""
        connection = self._welcome(sock, address)
        if connection is None or connection.shakes_hands:
            return connection
        self._have_served(connection)
        return None

    def _welcome(self, sock: socket.socket, address: tuple[str, int]) -> Connection | None:
        """Take note of a connection; None if there can be no context for it."""
        with self._changed:
            number = self._history.new_number()
            try:
                context = self._current_context()
            except (MtlsError, OSError) as error:
                sock.close()
                self._history.record(number, Handshake("server", None, error=str(error), peer_address=address))
                self._changed.notify_all()
                return None
            connection = Connection(
                number,
                sock,
                address,
                context,
                self._behaviour_of(self._case).misbehaviour,
                self.handshake_timeout,
                self._notify,
                self._record,
                self._have_served,
            )
            self._live.add(connection)
            return connection

    def _have_served(self, connection: Connection) -> None:
        """Have a connection seen through by a worker."""
        try:
            self._workers.start(partial(self._serve, connection))
        except RuntimeError as error:  # there can be no more threads
            log.error("the server on port %d cannot serve a connection: %s", self._wanted_port, error)
            connection.give_up(str(error))
            self._forget(connection)

    def _note_exhaustion(self, problem: str) -> None:
        """Tell that this process is out of descriptors or memory, and go on: what waits is taken when that is over."""
        log.error("the server goes on, and %s", problem)
        with self._changed:
            number = self._history.new_number()
            self._history.record(number, Handshake("server", None, error=problem))
            self._changed.notify_all()

    def _serve(self, connection: Connection) -> None:
        try:
            connection.run(self._handler, self.idle_timeout)
        finally:
            self._forget(connection)

    def _forget(self, connection: Connection) -> None:
        with self._changed:
            self._live.remove(connection)
        self._notify()

    def _record(self, connection: Connection) -> None:
        assert connection.handshake is not None
        with self._changed:
            take = self._history.record if connection.recorded is None else self._history.revise
            take(connection.number, connection.handshake)
            connection.recorded = connection.handshake
            self._note_client(connection.handshake, connection.context)
        self._notify()

    def _note_client(self, handshake: Handshake, context: TLSContext) -> None:
        """Remember who was accepted; a later verdict on the same handshake may be another."""
        if context is not self._context or not handshake.peer_chain_der or handshake.resumed:
            return
        key = (handshake.peer_chain_der[0], handshake.tls_version, handshake.server_name)
        self._accepted.pop(key, None)
        if handshake.accepted:
            self._accepted[key] = handshake
            if len(self._accepted) > _MOST_ACCEPTED:
                self._accepted.popitem(last=False)

    def _wait_for(self, is_so: Callable[[], T], timeout: float) -> T:
        """Wait until something is so, with the lock held; what it came to."""
        self._watchers += 1  # before the first look: what changes after that look is told
        try:
            return self._changed.wait_for(is_so, timeout)
        finally:
            self._watchers -= 1

    def _notify(self) -> None:
        """Tell of a change, which has been made, if anybody waits for one."""
        if self._watchers:
            with self._changed:
                self._changed.notify_all()

    def _is_accept_queue_empty(self) -> bool:
        acceptor = self._acceptor  # which another thread may stop
        return acceptor is None or acceptor.is_queue_empty()
