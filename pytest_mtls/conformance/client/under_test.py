"""`ClientUnderTest`: calls a client with a server that is good or bad, and tells what became of it, from both ends."""

from __future__ import annotations

import socket
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from pytest_mtls.cases.case import Case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.cases.presentation import PeerArgument
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.stapling import CURRENT, Stapler
from pytest_mtls.client.rate import RateLimiter
from pytest_mtls.conformance.client.call import BeforeEnd, Call, ClientArgument, client_of, no_more
from pytest_mtls.conformance.client.observation import Observation, Recorder
from pytest_mtls.conformance.client.target import ClientFiles, ClientTarget
from pytest_mtls.conformance.client.usable import not_usable
from pytest_mtls.conformance.responder import answering
from pytest_mtls.errors import ClientNotUsable, HandshakeAssertionError, InvalidArgument
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.server.connection import Handler
from pytest_mtls.server.server import MutualTLSServer
from pytest_mtls.tls.engine import new_engine_context
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.wire import Deadline
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.explain import headline, tell
from pytest_mtls.verdict.judge import judge

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ClientUnderTest", "launch_client"]

ADDRESS = "127.0.0.1"
_LOCALHOST = "localhost"
#: How long a server that plays dead plays it, in seconds.
_PATIENCE = 0.5
#: How long a handshake that is half done when the call is over may take to go on, in seconds: for a callable, which may
#: have a thread that goes on with it, and for a program, all of whose processes have ended.
_REST_OF_CALLABLE, _REST_OF_PROGRAM = 1.0, 0.2
#: How many ports are not used again, and how often another is tried.
_PORTS, _PORT_CHOICES = 4096, 20
#: How long a case that was made is presented again, in seconds: some are valid for a minute.
_SECONDS_OF_A_CASE = 20.0
_UNRESOLVED = (
    "no resolver knows the host {host}: have the command connect to {{address}}, as curl does by "
    "`--resolve {{host}}:{{port}}:{{address}}`, or add `127.0.0.1 {host}` to the file hosts"
)


@dataclass
class _KeptCase:
    """A case that is presented over one TLS version after the other.

    Attributes:
        case: as it is in the catalogue.
        issuer: the CA that it is made with.
        until: when it has to be made anew.
    """

    case: Case
    issuer: CertificateAuthority
    until: Deadline

    @cached_property
    def presented(self) -> Case:
        """The case that presents always the same."""
        made: list[Identity | None] = []

        def build(ca: CertificateAuthority, leaf: Leaf) -> Identity | None:
            if not made:
                made.append(self.case.build(ca, leaf))
            return made[0]

        return replace(self.case, build=build)


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
            self._ports: deque[int] = deque(maxlen=_PORTS)
            self._kept: _KeptCase | None = None
            inside.callback(self._forget_case)
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

    @contextmanager
    def good_server(self, app: Recorder, **options: Any) -> Iterator[MutualTLSServer]:
        """A server that the client has to accept, and that runs in the ``with`` block.

        Args:
            app: what keeps its requests.
            **options: other arguments of `MutualTLSServer`.
        """
        identity = self.ca.issue_server()
        stapling = _stapling(identity, self.ca) if self._staples else {}
        with self._serving(app, cert=identity, trust=self.ca, **stapling, **options) as server:
            yield server

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
        issuer, presents = (self.ca, cert or self._good) if not isinstance(cert, Case) else self._made(cert)
        settings["trust"] = issuer
        with ExitStack() as beside:
            if self._ocsp:
                beside.enter_context(answering(issuer))
                presents = cert or issuer.issue_server()
            if self._staples:
                settings.update(_stapling(presents, options.get("trust", issuer)))
            server = beside.enter_context(self._serving(cert=presents, **{**speaks, **settings, **options}))
            return self.call(server, app, host=host, tls=tls, issuer=issuer, serves=not misbehaves)

    def _made(self, case: Case) -> tuple[CertificateAuthority, Case]:
        """A CA for one case, so that what the case revokes and the CAs that it makes are forgotten after it; and the case.

        The case is made once for the TLS versions over which it is presented, which come one after the other.
        """
        is_kept = self._kept is not None and self._kept.case is case and self._kept.until.remaining > 0
        if self._kept is None or not is_kept or self._ocsp:  # whose URL is another one each time
            self._forget_case()
            is_root = self.ca.parent is None
            issuer = CertificateAuthority(self.ca.certificate, self.ca.private_key) if is_root else self.ca
            self._kept = _KeptCase(case, issuer, Deadline(_SECONDS_OF_A_CASE))
        return self._kept.issuer, self._kept.presented

    def _forget_case(self) -> None:
        if self._kept is not None and self._kept.issuer is not self.ca:
            self._kept.issuer.remove_files()
        self._kept = None

    @contextmanager
    def _serving(self, app: Recorder | None = None, **options: Any) -> Iterator[MutualTLSServer]:
        """A server for one call, on a port that none of the latest ones had.

        What comes late from an earlier call is then not taken for a part of this one.
        """
        with ExitStack() as tried:
            server = tried.enter_context(MutualTLSServer(app, **options))
            for _ in range(_PORT_CHOICES):
                if server.port not in self._ports:
                    break
                server = tried.enter_context(MutualTLSServer(app, **options))  # the other one keeps its port meanwhile
            self._ports.append(server.port)
            yield server

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
        given_up: list[bool] = []

        def note_given_up() -> None:
            if not given_up:
                given_up.append(any(seen.is_unused for seen in server.handshakes_since(bookmark)))

        target, call = self.call_port(
            server.port, host=host, tls=tls, files=files, issuer=issuer, before_end=note_given_up
        )
        rest = _REST_OF_PROGRAM if self.client.is_program else _REST_OF_CALLABLE
        handshakes = tuple(filter(_is_one, server.handshakes_since(bookmark, wait=True, at_most=rest, by_arrival=True)))
        if serves and not call.is_over_time:
            app.wait_until_ended(sum(seen.accepted is True for seen in handshakes), self.timeout)
        requests = tuple(app.requests[before:])
        has_read = True if app.token.encode() in call.output else None
        if not handshakes and not requests and not _is_resolved(host):
            raise ClientNotUsable(self.name, _UNRESOLVED.format(host=host), call.text)
        is_all_heard = self.client.is_program and serves
        connections = server.bookmark() - bookmark
        return Observation(target, call, handshakes, requests, has_read, is_all_heard, any(given_up), connections)

    def call_port(
        self,
        port: int,
        *,
        host: str = _LOCALHOST,
        tls: str = "1.3",
        files: ClientFiles | None = None,
        issuer: CertificateAuthority | None = None,
        before_end: BeforeEnd = no_more,
    ) -> tuple[ClientTarget, Call]:
        """Call the client once for whatever listens on a port, without a look at it.

        Args:
            port: on loopback.
            host, tls, files, issuer: as for `call`.
            before_end: called when the client's time is over, before it is ended.

        Returns:
            What the client was told, and how its call ended.

        Raises:
            ClientNotUsable: as for `observe`.
        """
        if not self.client.takes_address and not _is_resolved(host):
            raise ClientNotUsable(self.name, _UNRESOLVED.format(host=host))
        target = ClientTarget(host, port, ADDRESS, tls, files or self.files, issuer or self.ca)
        if self._rate_limiter is not None:
            self._rate_limiter.wait()
        return target, self.client.call(target, self.timeout, before_end)

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
        raise not_usable(self.client, seen)

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
