"""`ClientUnderTest`: calls a client with a server that is good or bad, and tells what became of it, from both ends."""

from __future__ import annotations

import secrets
import socket
import ssl
import tempfile
import threading
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pytest_mtls.cases.case import Case
from pytest_mtls.cases.presentation import PeerArgument
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.stapling import CURRENT, Stapler
from pytest_mtls.client.rate import RateLimiter
from pytest_mtls.conformance.client.call import Call, ClientArgument, client_of
from pytest_mtls.conformance.client.target import ClientFiles, ClientTarget
from pytest_mtls.conformance.responder import answering
from pytest_mtls.errors import ClientNotUsable, HandshakeAssertionError, InvalidArgument
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.server.connection import Handler, ServingSocket
from pytest_mtls.server.server import MutualTLSServer
from pytest_mtls.server.wsgi import Environ
from pytest_mtls.tls.engine import new_engine_context
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.explain import headline, tell
from pytest_mtls.verdict.judge import judge

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ClientUnderTest", "Observation", "ReceivedRequest", "launch_client"]

ADDRESS = "127.0.0.1"
_LOCALHOST = "localhost"
#: How long a server that plays dead plays it, in seconds.
_PATIENCE = 0.5
_UNRESOLVED = (
    "no resolver knows the host {host}: have the command connect to {{address}}, as curl does by "
    "`--resolve {{host}}:{{port}}:{{address}}`, or add `127.0.0.1 {host}` to the file hosts"
)


@dataclass(frozen=True)
class ReceivedRequest:
    """A request that the client sent.

    Attributes:
        method, path: of its first line.
        client_address: where it came from, (host, port).
        handshake: the handshake of its connection.
    """

    method: str
    path: str
    client_address: tuple[str, int]
    handshake: Handshake = field(repr=False)


class Recorder:
    """A WSGI application that keeps the requests, and answers each with a word that nobody can guess.

    For another protocol it hands each connection on to a handler, and whatever the client sends counts as its request.

    Args:
        handler: what speaks that protocol; None for HTTP.
    """

    def __init__(self, handler: Handler | None = None) -> None:
        self.token = secrets.token_hex(12)
        self.requests: list[ReceivedRequest] = []
        self._handler = handler
        self._ended = 0
        self._changed = threading.Condition()

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        address = environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"])
        handshake = environ["pytest_mtls.handshake"]
        self.requests.append(ReceivedRequest(environ["REQUEST_METHOD"], environ["PATH_INFO"], address, handshake))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"pytest-mtls {self.token}\n".encode()]

    def handle(self, sock: ssl.SSLSocket, handshake: Handshake) -> None:
        """Speak the other protocol with an accepted client, and note whether it sent anything."""
        assert self._handler is not None
        try:
            self._handler(sock, handshake)
        finally:
            with self._changed:
                if handshake.peer_address is not None and (not isinstance(sock, ServingSocket) or sock.is_used):
                    self.requests.append(ReceivedRequest("", "", handshake.peer_address, handshake))
                self._ended += 1
                self._changed.notify_all()

    def wait_until_ended(self, connections: int, seconds: float) -> None:
        """Wait until so many connections of the other protocol have ended; a client that keeps one open is not waited for."""
        if self._handler is not None:
            with self._changed:
                self._changed.wait_for(lambda: self._ended >= connections, seconds)


@dataclass(frozen=True)
class Observation:
    """What became of one call of the client, from both ends.

    Attributes:
        target: what the client was told.
        call: how its call ended.
        handshakes: all that it began with the server, in the order of their verdicts.
        requests: those that arrived.
        has_read_answer: whether the server's answer is in what it printed; None where that cannot be known, since it
            printed nothing of it, or is a callable.
        is_all_heard: whether all that the client sent was read: it was a program, which has ended, and the server served.
    """

    target: ClientTarget
    call: Call
    handshakes: tuple[Handshake, ...]
    requests: tuple[ReceivedRequest, ...]
    has_read_answer: bool | None
    is_all_heard: bool = True

    @property
    def is_accepted(self) -> bool:
        """Whether the client sent a request, or data that are none: it trusted the server with them."""
        return bool(self.requests) or any(map(self._is_spoken_to, self.handshakes))

    def _is_spoken_to(self, seen: Handshake) -> bool:
        """Whether data came over this connection, though perhaps no request of HTTP."""
        if any(request.client_address == seen.peer_address for request in self.requests):
            return True
        return seen.accepted is True and self.is_all_heard and not seen.is_unused and not self.call.is_over_time

    @cached_property
    def verdict(self) -> Handshake:
        """The handshake that tells what the client made of the server, with the verdict of both ends.

        A request that arrived is acceptance, whatever the client says of it. A handshake that is complete, and that the
        client ended without a byte of data, is a rejection by the client, which judged late; no alert tells why.
        """
        ranked = sorted(self.handshakes, key=self._rank)
        if not ranked:
            said = f"the client did not connect; it {self.call.ending}"
            return Handshake("server", None, error=said)
        best = ranked[0]
        return self._without_request(best) if best.accepted and not self._is_spoken_to(best) else best

    def _rank(self, seen: Handshake) -> int:
        if seen.accepted:
            return 0 if self._is_spoken_to(seen) else 2
        if seen.accepted is None:
            return 5
        if seen.rejected_by == "client":
            return 1 if seen.alert is not None else 3
        return 4

    def _without_request(self, seen: Handshake) -> Handshake:
        if self.call.is_over_time:
            return replace(seen, accepted=None, error=f"no request came, and the client {self.call.ending}")
        return seen.rejected_late(f"the client completed the handshake and sent no data; it {self.call.ending}")

    @property
    def outcome(self) -> str:
        """What came of it inside, and how the call ended, in a few words."""
        if not self.requests:
            return f"{'data that are no request' if self.is_accepted else 'no request'}; {self.call.ending}"
        if not self.call.succeeded:
            return f"request arrived; {self.call.ending}"
        return "answer read" if self.has_read_answer else "request arrived"

    def story(self) -> str:
        """How the client ended and what it said, for a failure."""
        lines = [f"the client was called for {self.target.url} and {self.call.ending}"]
        lines.append(f"  requests that arrived: {len(self.requests)}; handshakes: {len(self.handshakes)}")
        if self.call.text.strip():
            lines += ["  it said:", *(f"    {line}" for line in self.call.text.strip().splitlines())]
        return "\n".join(lines)


class ClientUnderTest:
    """A client under test, and the CA, the certificate and the files that it is given.

    Args:
        client: a command, as a list of words or as one text, in which ``{url}``, ``{host}``, ``{port}``, ``{address}``,
            ``{ca}``, ``{crl}``, ``{cert}``, ``{key}``, ``{pem}``, ``{p12}``, ``{password}`` and ``{tls}`` are filled in; or
            a callable or coroutine function that takes a `ClientTarget`.
        ca: the CA that it trusts, with its key; a new one by default.
        timeout: seconds that each call may take. A program is then killed, with all that it started.
        stdin: what a program reads on its standard input; a request of HTTP/1.1 by default.
        env: variables for a program besides those of this process, filled in as the command is.
        cwd: a program's working directory.
        rate: calls a second, at most.
        ocsp: whether a responder runs beside each server, which all certificates of the server name.
        staple: whether each server staples an OCSP answer to its certificate, for a client that insists on one: the
            truth, where the case has no other. It takes the extra ``pyopenssl``.
        handler: what the server speaks instead of HTTP, as for `MutualTLSServer`: all that the client sends then counts as
            its request.
        alpn: the protocols that the server chooses from (RFC 7301).

    Raises:
        InvalidArgument: an argument is none that there can be.
        MissingExtra: ``staple`` without pyOpenSSL.
    """

    def __init__(
        self,
        client: ClientArgument,
        *,
        ca: CertificateAuthority | None = None,
        timeout: float = 10.0,
        stdin: bytes | None = None,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        rate: float | None = None,
        ocsp: bool = False,
        staple: bool = False,
        handler: Handler | None = None,
        alpn: Sequence[str] = (),
    ) -> None:
        if not timeout > 0:
            raise InvalidArgument("timeout", timeout, "a number of seconds above 0")
        self.client = client_of(client, stdin=stdin, env=env, cwd=cwd)
        self.timeout = timeout
        self._given_ca = ca
        self._handler = handler
        self._alpn = tuple(alpn)
        self._rate_limiter = None if rate is None else RateLimiter(rate)
        self._ocsp = ocsp
        self._staples = staple
        if staple:
            new_engine_context("pyopenssl", "server")  # so that its absence is told before any call
        self._inside = ExitStack()

    @property
    def name(self) -> str:
        """The command as it was given, or the name of the callable."""
        return self.client.name

    def __enter__(self) -> Self:
        with ExitStack() as inside:
            directory = Path(inside.enter_context(tempfile.TemporaryDirectory(prefix="pytest-mtls-")))
            self.ca = self._given_ca or CertificateAuthority.create()
            if self._given_ca is None:
                inside.callback(self.ca.remove_files)
            self._directory = directory
            self.files = ClientFiles.write(directory / "client", self.ca, self.ca.issue_client("client"))
            self._good = self.ca.issue_server()
            self._inside = inside.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._inside.close()

    def other_files(self, common_name: str) -> ClientFiles:
        """The files of another client of the same CA."""
        return ClientFiles.write(self._directory / common_name, self.ca, self.ca.issue_client(common_name))

    def good_server(self, app: Recorder, **options: Any) -> MutualTLSServer:
        """A server that the client has to accept; it is not started.

        Args:
            app: what keeps its requests.
            **options: other arguments of `MutualTLSServer`.
        """
        identity = self.ca.issue_server()
        stapling = _stapling(identity, self.ca) if self._staples else {}
        return MutualTLSServer(app, cert=identity, trust=self.ca, **stapling, **options)

    # --- calls ---------------------------------------------------------------------------------------------------------

    def observe(self, cert: PeerArgument | None = None, *, tls: str = "1.3", **options: Any) -> Observation:
        """Call the client once for a server that presents this.

        Args:
            cert: an `Identity` or a server `Case`; a good server by default.
            tls: the only TLS version that the server speaks.
            **options: other arguments of `MutualTLSServer`.

        Raises:
            ClientNotUsable: the client cannot be started, or cannot be told where the case's host is.
            MtlsError: the case cannot be presented.
        """
        misbehaves = isinstance(cert, Case) and cert.misbehaves
        settings: dict[str, Any] = {"tls": tls, "revocation": False, "keep": None}
        if misbehaves:
            settings["handshake_timeout"] = _PATIENCE
        if self._alpn:
            settings["alpn"] = self._alpn
        app = Recorder(self._handler)
        speaks: dict[str, Any] = {"app": app} if self._handler is None else {"handler": app.handle}
        host = cert.host if isinstance(cert, Case) else _LOCALHOST
        issuer = self._issuer() if isinstance(cert, Case) else self.ca
        settings["trust"] = issuer
        try:
            with ExitStack() as beside:
                if self._ocsp:
                    beside.enter_context(answering(issuer))
                presents = cert or (issuer.issue_server() if self._ocsp else self._good)
                if self._staples:
                    settings.update(_stapling(presents, options.get("trust", issuer)))
                server = beside.enter_context(MutualTLSServer(cert=presents, **{**speaks, **settings, **options}))
                return self.call(server, app, host=host, tls=tls, issuer=issuer, serves=not misbehaves)
        finally:
            if issuer is not self.ca:
                issuer.remove_files()

    def _issuer(self) -> CertificateAuthority:
        """The CA for one case, so that what the case revokes and the CAs that it makes are forgotten after it."""
        if self.ca.parent is not None:
            return self.ca
        return CertificateAuthority(self.ca.certificate, self.ca.private_key)

    def call(
        self,
        server: MutualTLSServer,
        app: Recorder,
        *,
        host: str = _LOCALHOST,
        tls: str = "1.3",
        files: ClientFiles | None = None,
        issuer: CertificateAuthority | None = None,
        serves: bool = True,
    ) -> Observation:
        """Call the client once for a server that runs.

        Args:
            server: the server.
            app: what keeps its requests.
            host: by which the client is to ask for it.
            tls: the version that the client is told of.
            files: what the client is given, if not its own files.
            issuer: the CA whose CRLs the client is given, if not its own.
            serves: whether the server reads what the client sends.

        Raises:
            ClientNotUsable: as for `observe`.
        """
        bookmark, before = server.bookmark(), len(app.requests)
        target, call = self.call_port(server.port, host=host, tls=tls, files=files, issuer=issuer)
        handshakes = tuple(seen for seen in server.handshakes_since(bookmark, wait=True) if _is_one(seen))
        if serves and not call.is_over_time:
            app.wait_until_ended(sum(seen.accepted is True for seen in handshakes), self.timeout)
        requests = tuple(app.requests[before:])
        has_read = True if app.token.encode() in call.output else None
        if not handshakes and not requests and not _is_resolved(host):
            raise ClientNotUsable(self.name, _UNRESOLVED.format(host=host), call.text)
        is_all_heard = self.client.is_program and serves
        return Observation(target, call, handshakes, requests, has_read, is_all_heard)

    def call_port(
        self,
        port: int,
        *,
        host: str = _LOCALHOST,
        tls: str = "1.3",
        files: ClientFiles | None = None,
        issuer: CertificateAuthority | None = None,
    ) -> tuple[ClientTarget, Call]:
        """Call the client once for whatever listens on a port, without a look at it.

        Args:
            port: on loopback.
            host, tls, files, issuer: as for `call`.

        Returns:
            What the client was told, and how its call ended.

        Raises:
            ClientNotUsable: as for `observe`.
        """
        if not self.client.takes_address and not _is_resolved(host):
            raise ClientNotUsable(self.name, _UNRESOLVED.format(host=host))
        target = ClientTarget(host, port, ADDRESS, tls, files or self.files)
        if self.client.takes_crl:
            Path(target.crl).write_bytes(b"".join((issuer or self.ca).crl_pems()))
        if self._rate_limiter is not None:
            self._rate_limiter.wait()
        return target, self.client.call(target, self.timeout)

    def check_usable(self, versions: Sequence[str] = ("1.3", "1.2")) -> Observation:
        """Call the client for a good server: it has to send a request, and to end well.

        Args:
            versions: of TLS; the first that it speaks is enough.

        Raises:
            ClientNotUsable: it does not.
        """
        seen: Observation | None = None
        for tls in versions:
            latest = self.observe(tls=tls)
            if latest.is_accepted and latest.call.succeeded:
                return latest
            if seen is None or latest.is_accepted or not seen.handshakes:
                seen = latest
        assert seen is not None
        raise ClientNotUsable(self.name, _why_not_usable(seen), seen.call.text)

    # --- assertions ------------------------------------------------------------------------------------------------------

    def assert_accepts(self, cert: PeerArgument | None = None, *, tls: str = "1.3") -> Observation:
        """Assert that the client accepts a server: it sends a request, and ends well.

        Args:
            cert: an `Identity` or a server `Case`; a good server by default.
            tls: the only TLS version that the server speaks.

        Raises:
            HandshakeAssertionError: it does not.
            ClientNotUsable: as for `observe`.
        """
        __tracebackhide__ = True
        seen = self.observe(cert, tls=tls)
        if not (seen.is_accepted and seen.call.succeeded):
            self._fail(seen, Expected(accepted=True, by="client"), "the client did not accept this server")
        return seen

    def assert_rejects(
        self, cert: PeerArgument, reason: Reason | str | None = None, *, tls: str = "1.3"
    ) -> Observation:
        """Assert that the client rejects a server before it sends a request, for the right reason.

        A good server has to be accepted before, and after.

        Args:
            cert: an `Identity` or a server `Case`.
            reason: why; by default the case's own reasons, else any. Where no alert tells, any reason will do.
            tls: the only TLS version that the server speaks.

        Raises:
            HandshakeAssertionError: it does not, or for another reason.
            ClientNotUsable: it does not accept a good server either, or as for `observe`.
        """
        __tracebackhide__ = True
        reasons = (Reason(reason),) if reason is not None else cert.reasons if isinstance(cert, Case) else ()
        expected = Expected(accepted=False, by="client", reasons=reasons)
        self.check_usable((tls,))
        seen = self.observe(cert, tls=tls)
        if not judge(expected, [seen.verdict]).is_met:
            self._fail(seen, expected, f"the client should have rejected this server: {headline(seen.verdict)}")
        self.check_usable((tls,))
        return seen

    def _fail(self, seen: Observation, expected: Expected, remark: str) -> None:
        __tracebackhide__ = True
        raise HandshakeAssertionError(f"{tell([seen.verdict], expected, remark)}\n\n{seen.story()}", [seen.verdict])


def launch_client(client: ClientArgument, **options: Any) -> ClientUnderTest:
    """A client under test, in any language, for a ``with`` block.

    ``with launch_client(["curl", "--cacert", "{ca}", "--cert", "{pem}", "{url}"]) as client: client.assert_rejects(case)``

    Args:
        client: a command, a callable or a coroutine function, as for `ClientUnderTest`.
        **options: its other arguments.

    Raises:
        InvalidArgument: an argument is none that there can be.
        MissingExtra: ``staple`` without pyOpenSSL.
    """
    return ClientUnderTest(client, **options)


def _why_not_usable(seen: Observation) -> str:
    if seen.call.is_over_time:
        return f"for a good server it {seen.call.ending}"
    if seen.is_accepted:
        return f"its request arrived at a good server, and it {seen.call.ending}"
    return f"it does not accept a good server: {headline(seen.verdict)}"


def _stapling(presents: PeerArgument, issuer: CertificateAuthority) -> dict[str, Any]:
    """What has a server staple an answer; nothing where no CA is here that could answer for its certificate."""
    if isinstance(presents, Identity):
        try:
            Stapler(presents, [issuer], CURRENT)
        except InvalidArgument:
            return {}
    return {"engine": "pyopenssl", "staple": CURRENT}


def _is_one(seen: Handshake) -> bool:
    """Whether the client said anything: a server that plays dead has no transcript and was spoken to."""
    return seen.began or (
        seen.accepted is None and bool(seen.error) and "this server does not shake hands" in str(seen.error)
    )


def _is_resolved(host: str) -> bool:
    """Whether the resolver of this machine finds the host on it."""
    if host == _LOCALHOST:
        return True
    try:
        found = socket.getaddrinfo(host, None)
        return all(ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)
    except OSError:
        return False
