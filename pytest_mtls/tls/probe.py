"""The client end: one real handshake with a server, carried to its verdict."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from dataclasses import replace

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.errors import CaseNotPresentable, InvalidArgument, InvalidEndpoint
from pytest_mtls.tls.context import client_context
from pytest_mtls.tls.endpoint import Endpoint
from pytest_mtls.tls.handshake import Handshake, describe_socket, judge_failure
from pytest_mtls.tls.peer import PeerArgument, presented
from pytest_mtls.tls.rewrite import CertificateRewriter
from pytest_mtls.tls.server import TLSServer
from pytest_mtls.tls.transcript import messages_of, was_sent
from pytest_mtls.tls.trust import Trust, TrustArgument
from pytest_mtls.tls.wire import Deadline, drain, drive, say_goodbye, wait_for

__all__ = ["EndpointArgument", "endpoint_of", "probe"]

#: How long a refused server may take to close, in seconds. The verdict is known by then.
_DRAIN_SECONDS = 1.0

EndpointArgument = TLSServer | Endpoint | tuple[str, int]


def endpoint_of(value: EndpointArgument) -> Endpoint:
    """Read what a caller gave as an endpoint.

    Raises:
        InvalidEndpoint: it does not say where a server listens.
        ServerNotRunning: it is a server of ours that does not run.
    """
    if isinstance(value, Endpoint):
        return value
    if isinstance(value, TLSServer):
        return value.endpoint
    if isinstance(value, tuple) and len(value) == 2:
        return Endpoint(*value)
    raise InvalidEndpoint(value, "it names no host and port")


def probe(
    endpoint: EndpointArgument,
    client: PeerArgument | None = None,
    trust: TrustArgument | None = None,
    tls: str | None = None,
    server_name: str | None = None,
    timeout: float = 5.0,
    *,
    ca: CertificateAuthority | None = None,
) -> Handshake:
    """Do one real handshake and read on until the verdict is known.

    Under TLS 1.3 a client is done before the server has judged it, so this reads until an alert, a session ticket, data
    or the end of the stream tells. A stream that ends before any byte of data is a refusal whose alert is not known.

    Args:
        endpoint: a running `MutualTLSServer`, an `Endpoint`, or ``(host, port)``.
        client: what to present: an `Identity`, a client `Case`, trustme's LeafCert, or None for no certificate.
        trust: what the server's certificate must chain to. By default the endpoint's own CA; for a ``(host, port)`` the
            system's.
        tls: "1.2" or "1.3"; the newest that both sides can by default.
        server_name: the name to ask for and to check; the endpoint's by default.
        timeout: seconds for all of it.
        ca: the CA to build a case against; the endpoint's by default, else the one given as ``trust``.

    Returns:
        The handshake as this end saw it. Never raises for a failure of TLS or the network: a time-out or a server that
        is not there is undecided (``accepted`` is None, ``error`` says why).

    Raises:
        MtlsError: a bad argument, such as a CA in place of a client's identity.
        CaseNotPresentable: the case cannot go over the TLS version that ``tls`` names.
    """
    if not timeout > 0:
        raise InvalidArgument("timeout", timeout, "a number of seconds above 0")
    target = endpoint_of(endpoint)
    trust = target.trust if trust is None else trust
    trusted = None if trust is None else Trust.of(trust)
    issuer = ca or target.ca or (trusted.issuer if trusted is not None else None)
    presents = presented(client, "client", issuer)
    if presents.tls is not None and tls not in (None, presents.tls):
        raise CaseNotPresentable(presents.name, f"it goes over TLS {presents.tls} alone, and TLS {tls} is asked for")
    context = client_context(presents.identity, trusted, tls=tls or presents.tls, weak=presents.is_weak)
    name = _host_name(server_name or target.server_name or target.host)
    deadline = Deadline(timeout)
    try:
        plain = socket.create_connection(target.address, timeout)
    except OSError as error:
        return Handshake("client", None, error=f"cannot connect to {target}: {error.strerror or error}")
    with plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        plain.setblocking(False)
        local, peer = plain.getsockname()[:2], plain.getpeername()[:2]
        if presents.rewrite is None:
            seen = _shake_hands(context, plain, name, deadline)
        else:
            with CertificateRewriter(plain, presents.rewrite) as rewriter:
                seen = _shake_hands(context, rewriter.client, name, deadline, rewriter.wait)
    seen = replace(seen, server_name=name, local_address=local, peer_address=peer)
    if isinstance(endpoint, TLSServer):
        counterpart = endpoint.handshake_of(local, deadline.remaining)
        if counterpart is not None:
            return seen.seen_from_both_ends(counterpart)
    return seen


def _host_name(name: str) -> str:
    try:
        name.encode("idna")
    except UnicodeError as error:
        raise InvalidArgument("server_name", name, f"a host name or an IP address ({error})") from error
    return name


def _shake_hands(
    context: ssl.SSLContext, plain: socket.socket, name: str, deadline: Deadline, wait: Callable[..., bool] = wait_for
) -> Handshake:
    with context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False) as sock:
        failed: Exception | None = None
        try:
            drive(sock, sock.do_handshake, deadline, wait=wait)
            accepted = sock.version() != "TLSv1.3" or _settle(sock, deadline)
        except OSError as error:
            accepted, failed = False, error
        seen = describe_socket(sock, "client", messages_of(sock))
        if accepted:
            say_goodbye(sock)
            return replace(seen, accepted=True)
        seen = judge_failure(seen, failed or ConnectionError("the server ended the connection without a byte of data"))
        if seen.rejected_by == "client":
            with socket.socket(fileno=sock.detach()) as rest:
                drain(rest, Deadline(min(deadline.remaining, _DRAIN_SECONDS)))
        return seen


def _settle(sock: ssl.SSLSocket, deadline: Deadline) -> bool:
    """Read until a TLS 1.3 server's judgement is known. False if its stream ended without one."""

    def read() -> bool:
        try:
            return bool(sock.recv(1))
        except ssl.SSLWantReadError:
            if was_sent(messages_of(sock), "server", "NewSessionTicket"):
                return True
            raise

    return drive(sock, read, deadline)
