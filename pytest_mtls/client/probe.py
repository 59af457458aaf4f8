"""The client end: one real handshake with a server, carried to its verdict."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any

from pytest_mtls.cases.presentation import PeerArgument
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.trust import TrustArgument
from pytest_mtls.client.endpoint import Endpoint, EndpointArgument
from pytest_mtls.client.misbehaving import shake_hands_badly
from pytest_mtls.client.plan import ProbePlan
from pytest_mtls.client.protocols import Answer, Protocol
from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.client.protocols.protocol import UnexpectedAnswer
from pytest_mtls.client.reading import read_verdict
from pytest_mtls.client.relay import Relay
from pytest_mtls.client.rewrite import CertificateRewriter
from pytest_mtls.errors import CaseNotPresentable, InvalidArgument
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.tls.context import kept_client_context
from pytest_mtls.tls.engine import Engine, TLSContext
from pytest_mtls.tls.handshake import Handshake, describe_socket, judge_failure
from pytest_mtls.tls.transcript import ConnectedSocket, Message, messages_of, was_sent
from pytest_mtls.tls.wire import Deadline, complete_handshake, drain, send_close_notify, wait_for

__all__ = [
    "Connected",
    "Conversation",
    "connect",
    "not_connected",
    "probe",
    "run",
    "shake_hands",
]

#: How long a rejected server may take to close, in seconds. The verdict is known by then.
_DRAIN_SECONDS = 1.0

#: How long a TLS 1.3 server is given to show its judgement before it is asked something, in seconds. It matters only for
#: one that issues no session tickets, such as PostgreSQL, and then costs no more than the alert of a late rejection.
_TICKET_SECONDS = 0.05

_ALERT_RECORD = 21

#: A TCP connection, non-blocking, with the addresses of both its ends.
Connected = tuple[socket.socket, tuple[str, int], tuple[str, int]]

_BLOCKS_LOOP = "this call blocks the event loop of its thread"


def probe(
    endpoint: EndpointArgument,
    client: PeerArgument | None = None,
    trust: TrustArgument | None = None,
    tls: str | None = None,
    server_name: str | None = None,
    timeout: float = 5.0,
    *,
    ca: CertificateAuthority | None = None,
    engine: Engine = "ssl",
) -> Handshake:
    """Do one real handshake and read on until the verdict is known.

    Under TLS 1.3 a client is done before the server has judged it, so this reads until an alert, a session ticket, data
    or the end of the stream tells. A stream that ends before any byte of data is a rejection whose alert is not known.
    Where the endpoint has a protocol, the verdict is that of the server's application: it is asked something harmless
    inside, and may reject there too.

    Args:
        endpoint: a running `MutualTLSServer`, an `Endpoint`, ``(host, port)``, or a URL as `Endpoint.parse` reads it.
        client: what to present: an `Identity`, a client `Case`, trustme's LeafCert, or None for no certificate.
        trust: what the server's certificate must chain to. By default the endpoint's own CA; for a ``(host, port)`` the
            system's.
        tls: "1.2" or "1.3"; the newest that both sides can by default.
        server_name: the name to ask for and to check; the endpoint's by default.
        timeout: seconds for all of it.
        ca: the CA to build a case against; the endpoint's by default, else the one given as ``trust``.
        engine: the TLS library that does the handshake: "ssl", the standard library with the OpenSSL that Python was
            built with; or "pyopenssl", with the OpenSSL of `cryptography`, which is newer as a rule.

    Returns:
        The handshake as this end saw it. Never raises for a failure of TLS or the network: a time-out or a server that
        is not there is undecided (``accepted`` is None, ``error`` says why).

    Raises:
        MtlsError: a bad argument, such as a CA instead of a client's identity.
        CaseNotPresentable: the case cannot go over the TLS version that ``tls`` names, or needs an extra.
        MissingExtra: ``engine`` is "pyopenssl", and pyOpenSSL is not installed.
    """
    return run(ProbePlan.of(endpoint, client, trust, tls, server_name, timeout, ca=ca, engine=engine))


def run(plan: ProbePlan, connection: Connected | None = None) -> Handshake:
    """Do the handshake of a plan; see `probe`.

    Args:
        plan: what is to be done.
        connection: a connection by `connect` on which it is done; by default one of its own.

    Raises:
        MtlsError: the client's identity cannot be presented.
        CaseNotPresentable: presenting it needs an extra.
    """
    target, protocol, presents = plan.target, plan.protocol, plan.presents
    if connection is None and target.rate_limiter is not None:
        target.rate_limiter.wait()
    if protocol.probe is not None:
        return _probe_by_hand(plan)
    context = kept_client_context(
        presents.identity,
        plan.trust,
        tls=plan.tls,
        alpn=protocol.alpn,
        strict=target.strict,
        weak=presents.is_weak,
        engine=plan.engine,
    )
    bookmark = plan.observer.bookmark() if plan.observer is not None else 0
    deadline = Deadline(plan.timeout)
    try:
        plain, local, peer = connection or connect(_address(plan), plan.timeout)
    except OSError as error:
        return not_connected(target, protocol, error)
    ends: dict[str, Any] = {"server_name": target.name, "local_address": local, "peer_address": peer}
    with plain:
        conversation = Conversation(protocol, target, Channel(plain, deadline))
        try:
            conversation.begin()
        except (OSError, UnexpectedAnswer) as error:
            seen = Handshake("client", None, error=f"before TLS, in {protocol.name}: {error}", **ends)
        else:
            if presents.misbehaviour is not None:
                seen = replace(shake_hands_badly(presents, plain, target.name, plan.tls, deadline), **ends)
            elif presents.rewrite is None:
                seen = shake_hands(context, plain, conversation, deadline, **ends)
            else:
                with Relay(plain, CertificateRewriter(presents.rewrite)) as relay:
                    seen = shake_hands(context, relay.client, conversation, deadline, relay.wait, **ends)
    if seen.accepted is None and deadline.remaining <= 0 and _is_in_event_loop():
        seen = replace(seen, error=f"{_BLOCKS_LOOP}, and {seen.error}")
    if plan.observer is not None:
        counterpart = plan.observer.handshake_of(local, bookmark, deadline.remaining)
        if counterpart is not None:
            return seen.seen_from_both_ends(counterpart)
    return seen


def _address(plan: ProbePlan) -> tuple[str, int]:
    """Where to connect to. A server of this process that listens on localhost is at 127.0.0.1: that name need not be resolved."""
    if plan.observer is not None and plan.target.host == "localhost":
        return "127.0.0.1", plan.target.port
    return plan.target.address


def _is_in_event_loop() -> bool:
    """Whether this thread runs an event loop, which cannot serve anybody until this call returns."""
    for name, probe in (("asyncio", "get_running_loop"), ("trio", "lowlevel.current_task")):
        module = sys.modules.get(name)
        if module is None:
            continue
        try:
            attrgetter(probe)(module)()
        except RuntimeError:
            continue
        return True
    return False


def connect(address: tuple[str, int], timeout: float) -> Connected:
    """A connection, non-blocking, with the addresses of both its ends.

    Args:
        address: the (host, port) pair to connect to.
        timeout: seconds that it may take.

    Raises:
        ConnectionResetError: somebody took it and reset it at once.
        OSError: nobody is there.
    """
    plain = socket.create_connection(address, timeout)
    try:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        plain.setblocking(False)
        return plain, plain.getsockname()[:2], plain.getpeername()[:2]
    except OSError as error:
        plain.close()
        raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)) from error


def not_connected(target: Endpoint, protocol: Protocol, error: OSError) -> Handshake:
    """Nobody is there, which is undecided; or somebody was, and reset the connection at once, as if after the hello."""
    seen = Handshake("client", None, server_name=target.name)
    if isinstance(error, ConnectionResetError) and protocol.preamble is None:
        return judge_failure(seen, error)
    return replace(seen, error=f"cannot connect to {target}: {error.strerror or error}")


class Conversation:
    """What one protocol says around one handshake.

    Attributes:
        protocol: the protocol.
        name: the server name that the ClientHello asks for; None for a ClientHello without one.
        session: an earlier session to resume; None for a new one.
    """

    def __init__(self, protocol: Protocol, target: Endpoint, channel: Channel) -> None:
        self.protocol = protocol
        self.name: str | None = target.name
        self.session: ssl.SSLSession | None = None
        self._target = target
        self._channel = channel

    def begin(self) -> None:
        """Say what comes before TLS."""
        if self.protocol.preamble is not None:
            self.protocol.preamble(self._channel, self._target)
            self._channel.expect_silence()

    def read_verdict(self, sock: ssl.SSLSocket, wait: Callable[..., bool]) -> Answer:
        """Say what is said inside, until the verdict is known."""
        assert self.protocol.read_verdict is not None
        self._channel.go_inside(sock, wait)
        if sock.version() == "TLSv1.3":
            self._channel.listen(_TICKET_SECONDS)
        answer = self.protocol.read_verdict(self._channel, self._target)
        return answer if isinstance(answer, Answer) else Answer(answer, "")


def shake_hands(
    context: TLSContext,
    plain: socket.socket,
    conversation: Conversation,
    deadline: Deadline,
    wait: Callable[..., bool] = wait_for,
    **known: Any,
) -> Handshake:
    """The client's end of a handshake over a connection, and what is said inside until the verdict is known.

    Args:
        context: the client's.
        plain: the connection, non-blocking; closed afterwards.
        conversation: what is said.
        deadline: by when all has to be said.
        wait: what waits for its bytes, instead of `wire.wait_for`.
        **known: fields of the `Handshake` that are known already.
    """
    protocol = conversation.protocol
    context.sslsocket_class = ConnectedSocket
    try:
        wrapped = context.wrap_socket(
            plain, server_hostname=conversation.name, do_handshake_on_connect=False, session=conversation.session
        )
    except OSError as error:
        return judge_failure(Handshake("client", None, **known), error)
    with wrapped as sock:
        failed: Exception | None = None
        answer: Answer | None = None
        is_done = False
        try:
            complete_handshake(sock, deadline, wait)
            is_done = True
            if protocol.read_verdict is not None:
                answer = conversation.read_verdict(sock, wait)
                accepted = answer.accepted
            else:
                if sock.version() == "TLSv1.3":
                    read_verdict(sock, deadline, wait)
                accepted = True
        except (OSError, UnexpectedAnswer) as error:
            accepted, failed = False, error
        transcript = messages_of(sock)
        if isinstance(failed, ConnectionError) and not is_done:
            transcript = (*transcript, *_last_words(sock))
        is_accepted = True if accepted and answer is None else None
        seen = describe_socket(sock, "client", transcript, **known, accepted=is_accepted)
        if isinstance(failed, UnexpectedAnswer):
            return replace(seen, answer=failed.answer or None, error=f"inside TLS, in {protocol.name}: {failed}")
        if answer is not None:
            send_close_notify(sock)
            return _answered(seen, answer, protocol.layer)
        if accepted:
            send_close_notify(sock)
            return seen
        assert failed is not None
        seen = judge_failure(seen, failed)
        if seen.rejected_by == "client":
            drain(sock, deadline.sooner(_DRAIN_SECONDS))
        if is_done and seen.accepted is False and seen.alert is None and _has_taken_the_client_in(seen):
            return replace(seen, layer=protocol.layer)
        return seen


def _last_words(sock: ssl.SSLSocket) -> tuple[Message, ...]:
    """The alert that a server sent in plain before it reset the connection, if any.

    What failed was this end's writing, so that OpenSSL has not come to read it.
    """
    try:
        data = socket.socket.recv(sock, 65536)
    except OSError:
        return ()
    while len(data) >= 5:
        size = int.from_bytes(data[3:5], "big")
        record, data = data[: 5 + size], data[5 + size :]
        if record[0] == _ALERT_RECORD and size == 2 and len(record) == 7:
            return (Message("server", "Alert", record[5:]),)
    return ()


def _answered(seen: Handshake, answer: Answer, layer: str) -> Handshake:
    """The verdict that an application gave, once TLS was up."""
    seen = replace(seen, answer=answer.text or None)
    if answer.accepted:
        return replace(seen, accepted=True)
    error = f"the server's application rejected the client: {answer.text or 'no more was said'}"
    return replace(seen, accepted=False, rejected_by="server", layer=layer, reason=answer.reason, error=error)


def _has_taken_the_client_in(seen: Handshake) -> bool:
    """Whether the TLS layer of the server has accepted, so that who closes afterwards is the application."""
    return seen.tls_version != "TLSv1.3" or was_sent(seen.transcript, "server", "NewSessionTicket")


def _probe_by_hand(plan: ProbePlan) -> Handshake:
    """What a user's own probe says."""
    protocol, presents, trust = plan.protocol, plan.presents, plan.trust
    assert protocol.probe is not None
    if presents.rewrite is not None or presents.misbehaviour is not None:
        problem = f"the probe of protocol {protocol.name!r} cannot change what goes over the wire"
        raise CaseNotPresentable(presents.name, problem)
    undecided = Handshake("client", None, server_name=plan.target.name, observable=False)
    path = None if trust is None else trust.authorities[0].files.write(f"{secrets.token_hex(8)}.pem", trust.pem)
    how = {
        "endpoint": plan.target,
        "client": presents.identity,
        "trust": path,
        "tls": plan.tls,
        "timeout": plan.timeout,
    }
    try:
        verdict = protocol.probe(**how)
    except OSError as error:
        return replace(undecided, error=f"the probe of protocol {protocol.name!r} failed: {error}")
    finally:
        if path is not None:
            os.unlink(path)
    if verdict is None:
        return replace(undecided, error=f"the probe of protocol {protocol.name!r} came to no verdict")
    if not isinstance(verdict, bool):
        raise InvalidArgument(f"what the probe of {protocol.name!r} returned", verdict, "True, False or None")
    return _answered(undecided, Answer(verdict, "", Reason.UNSPECIFIED), protocol.layer)
