"""Plain bytes: what a server does with those that come before TLS, or in its place."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Callable

from pytest_mtls.bypasses.attempt import Attempt
from pytest_mtls.bypasses.bypass import bypass
from pytest_mtls.bypasses.ends import Bypassed, NotApplicable, Undecided
from pytest_mtls.bypasses.request import Request
from pytest_mtls.certificates.der import integer
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.client.protocols import PROTOCOLS, Answer
from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.client.protocols.database import is_login_answered_mysql, login_mysql, ssl_request_mysql
from pytest_mtls.client.protocols.directory import message_in, search_root_message, start_tls_message
from pytest_mtls.client.protocols.messaging import STARTTLS, hear_features, hear_proceed, stream_header
from pytest_mtls.client.protocols.protocol import UnexpectedAnswer

#: The protocols in which a client speaks only for the application's sake, so that what it says may come plain.
_NEED_NO_PREAMBLE = ("https", "postgres", "redis", "mqtt", "ldaps")
_SILENT_SECONDS = 0.3


@bypass()
def without_tls(attempt: Attempt) -> str | None:
    """A client that speaks in plain to the TLS port does not get an answer of the application.

    Some servers tell TLS from plain by the first byte, or leave it to the client to ask for TLS.
    """
    protocol = PROTOCOLS[attempt.target.protocol]
    if protocol.name not in _NEED_NO_PREAMBLE or protocol.read_verdict is None:
        raise NotApplicable(f"in {protocol.name} there is nothing to be said without TLS")
    try:
        answer = attempt.talk_plainly(protocol.read_verdict)
    except TimeoutError as error:
        raise Undecided(f"the server did not answer a client without TLS: {error}") from None
    except (OSError, UnexpectedAnswer):
        return None
    if answer if isinstance(answer, bool) else answer.accepted:
        raise Bypassed(f"the server answered a client without TLS: {getattr(answer, 'text', '')}".rstrip(": "))
    return None


# --- in the same packet as the request for TLS ------------------------------------------------------------------------

#: PostgreSQL's ErrorResponse, and the SQLSTATE in it by which it says that it noticed.
_ERROR, _PROTOCOL_VIOLATION = b"E", b"C08P01\0"
#: The message number of what is injected into LDAP.
_INJECTED = 3
_SSL_REQUEST = bytes.fromhex("0000000804d2162f")


def _startup(user: str) -> bytes:
    body = (196608).to_bytes(4, "big") + f"user\0{user}\0database\0{user}\0\0".encode()
    return (len(body) + 4).to_bytes(4, "big") + body


def _inject_postgres(channel: Channel, endpoint: Endpoint) -> None:
    channel.send(_SSL_REQUEST + _startup(endpoint.user or "postgres"))
    if channel.exactly(1) != b"S":
        raise UnexpectedAnswer("the server declined SSLRequest")


def _inject_mysql(channel: Channel, endpoint: Endpoint) -> None:
    request = ssl_request_mysql(channel)
    channel.send(request + login_mysql(channel, endpoint))


def _inject_ldap(channel: Channel, endpoint: Endpoint) -> None:
    channel.send(start_tls_message() + search_root_message(_INJECTED))
    if message_in(channel)[2:3] != b"\x01":
        raise UnexpectedAnswer("the server did not answer StartTLS first")


def _inject_xmpp(channel: Channel, endpoint: Endpoint) -> None:
    hear_features(channel, endpoint)
    channel.send(STARTTLS + stream_header(endpoint))
    hear_proceed(channel)


def _injector(greetings: int, hello: bytes | None, request: bytes, injected: bytes) -> Callable[..., None]:
    def inject(channel: Channel, endpoint: Endpoint) -> None:
        for _ in range(greetings):
            channel.line()
        if hello is not None:
            channel.send(hello)
            while channel.line()[3:4] == b"-":
                pass
        channel.send(request + injected)
        channel.line()

    return inject


#: How TLS is asked for with more in the same packet. The answer to that is what must not come.
_INJECT: dict[str, Callable[..., None]] = {
    "postgres": _inject_postgres,
    "smtp": _injector(1, b"EHLO localhost\r\n", b"STARTTLS\r\n", b"NOOP\r\n"),
    "imap": _injector(1, None, b"a1 STARTTLS\r\n", b"a2 NOOP\r\n"),
    "pop3": _injector(1, None, b"STLS\r\n", b"CAPA\r\n"),
    "ftp": _injector(1, None, b"AUTH TLS\r\n", b"NOOP\r\n"),
    "mysql": _inject_mysql,
    "ldap": _inject_ldap,
    "xmpp": _inject_xmpp,
}


def _hear_postgres(channel: Channel) -> bool:
    if channel.exactly(1) != _ERROR:
        return True
    return _PROTOCOL_VIOLATION not in channel.exactly(int.from_bytes(channel.exactly(4), "big") - 4)


def _hear_ldap(channel: Channel) -> bool:
    message = message_in(channel)
    return message[:3] == integer(_INJECTED)


def _hear_anything(channel: Channel) -> bool:
    return bool(channel.exactly(1))


#: Whether what a server says inside, unasked, answers what came before TLS; False where it says that it noticed.
_HEAR: dict[str, Callable[[Channel], bool]] = {
    "postgres": _hear_postgres,
    "mysql": is_login_answered_mysql,
    "ldap": _hear_ldap,
}


@bypass(cves=["CVE-2021-23214", "CVE-2011-0411"], needs=["good_client"])
def bytes_before_tls(attempt: Attempt) -> str | None:
    """What comes in plain behind the request for TLS is not taken for what the client says inside.

    Somebody on the way sends a command in the same packet as SSLRequest or STARTTLS. A server that keeps its buffer answers
    it after the handshake, in the name of the client whose certificate it has seen since.
    """
    inject = _INJECT.get(attempt.target.protocol)
    if inject is None:
        raise NotApplicable(f"{attempt.target.protocol} does not begin in plain")

    def listen(channel: Channel, endpoint: Endpoint) -> Answer:
        channel.deadline = channel.deadline.sooner(_SILENT_SECONDS)
        try:
            is_answered = _HEAR.get(attempt.target.protocol, _hear_anything)(channel)
        except TimeoutError:
            return Answer(False, "silence")
        return Answer(is_answered, "the answer" if is_answered else "a protocol violation")

    seen = attempt.visit(attempt.good, speak=listen, preamble=inject)
    if seen.accepted:
        raise Bypassed("the server answered inside what came before TLS")
    if seen.accepted is None:  # it answered in plain, or ended the connection: in any case it took nothing inside
        return f"the server did not come to TLS: {seen.handshake.error}"
    return None


# --- and then the end of the connection -------------------------------------------------------------------------------


@bypass(cves=["CVE-2023-40217"], needs=["http", "was_reached"])
def plain_bytes_and_end(attempt: Attempt) -> str | None:
    """A plain request on a connection that ends before the handshake does not come to the application.

    CPython took a socket that was no longer connected for one without TLS, and what was left in its buffer for what a
    client had said inside. The client sends a request and resets the connection.
    """
    assert attempt.site.was_reached is not None
    token = secrets.token_hex(8)
    request = Request(f"/{token}").as_bytes(attempt.target)
    for linger in (None, struct.pack("ii", 1, 0)):
        if attempt.target.rate_limiter is not None:
            attempt.target.rate_limiter.wait()
        with socket.create_connection(attempt.target.address, attempt.timeout) as plain:
            plain.sendall(request)
            if linger is None:
                _end_and_read(plain, attempt.timeout)
            else:
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    if attempt.good is not None:  # by when it has been judged, what came before it has been too
        attempt.visit(attempt.good)
    if attempt.site.was_reached(token):
        raise Bypassed("a plain request came to the application")
    return None


def _end_and_read(plain: socket.socket, timeout: float) -> None:
    plain.settimeout(timeout)
    try:
        plain.shutdown(socket.SHUT_WR)
        while plain.recv(65536):
            pass
    except OSError:
        pass  # that is an end as well
