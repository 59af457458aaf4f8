"""`HeldConnection`: a connection that stays open in the middle of something, while its server takes up other certificates."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.trust import Trust
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.client.probe import Conversation, connect
from pytest_mtls.client.protocols import PROTOCOLS, directory, http
from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.client.protocols.protocol import Answer, UnexpectedAnswer
from pytest_mtls.client.protocols.target import Target
from pytest_mtls.tls.context import kept_client_context
from pytest_mtls.tls.transcript import ConnectedSocket
from pytest_mtls.tls.wire import Deadline, complete_handshake, send_close_notify, wait_for

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["HeldConnection"]

_Part = Callable[[Channel, Target], object]


@dataclass(frozen=True)
class _Dialogue:
    """What is said on a connection that is held.

    Attributes:
        before: what is said until it is held, instead of what the protocol says to learn the verdict.
        after: what shows afterwards that the server still serves it.
        words: what was going on, for messages.
    """

    after: _Part
    before: _Part | None = None
    words: str = "a session"


def _begin_request(channel: Channel, target: Target) -> None:
    channel.send(f"GET {target.path} HTTP/1.1\r\nHost: {target.netloc}\r\n".encode("ascii", "backslashreplace"))


def _end_request(channel: Channel, target: Target) -> Answer:
    channel.send(b"Accept: */*\r\nConnection: close\r\n\r\n")
    return http.judge(http.read_status(channel), b"")


def _ping_redis(channel: Channel, target: Target) -> bool:
    channel.send(b"PING\r\n")
    return channel.line() == b"+PONG"


def _ping_mqtt(channel: Channel, target: Target) -> bool:
    """PINGREQ and PINGRESP (MQTT 3.1.1 sections 3.12 and 3.13)."""
    channel.send(b"\xc0\x00")
    return channel.exactly(2) == b"\xd0\x00"


def _sync_postgres(channel: Channel, target: Target) -> bool:
    """Sync, to which ReadyForQuery answers; another one may be there from the log-in."""
    channel.send(b"S\0\0\0\4")
    for _ in range(2):
        kind = b""
        while kind != b"Z":
            kind = channel.exactly(1)
            channel.exactly(int.from_bytes(channel.exactly(4), "big") - 4)
    return True


def _no_operation(command: bytes, answer: bytes) -> _Part:
    def ask(channel: Channel, target: Target) -> bool:
        channel.send(command)
        return channel.line().startswith(answer)

    return ask


#: By protocol. On any other the connection has to stay open, and that is all.
_DIALOGUES: Mapping[str, _Dialogue] = {
    "https": _Dialogue(_end_request, _begin_request, "a request of which the first half was sent"),
    "redis": _Dialogue(_ping_redis),
    "mqtt": _Dialogue(_ping_mqtt),
    "postgres": _Dialogue(_sync_postgres),
    "ldap": _Dialogue(directory.search_root),
    "ldaps": _Dialogue(directory.search_root),
    "smtp": _Dialogue(_no_operation(b"NOOP\r\n", b"250")),
    "smtps": _Dialogue(_no_operation(b"NOOP\r\n", b"250")),
}


class HeldConnection:
    """A connection that a server accepted, in the middle of something.

    Over HTTP it is a request of which only the first half has been sent: a server may close a connection without
    request at any time (RFC 9112 section 9.5), and many do when they take up other settings.

    Args:
        target: the server.
        client: what the client presents.
        trust: what it trusts.
        timeout: seconds for each exchange.

    Raises:
        OSError: nobody is there, or the server rejected the client.
        UnexpectedAnswer: it speaks something else, or is not ready.
    """

    def __init__(self, target: Endpoint, client: Identity, trust: Trust | None, timeout: float) -> None:
        self._target = target
        self._timeout = timeout
        protocol = PROTOCOLS[target.protocol]
        self._dialogue = _DIALOGUES.get(target.protocol)
        deadline = Deadline(timeout)
        context = kept_client_context(client, trust, alpn=protocol.alpn, strict=target.strict)
        context.sslsocket_class = ConnectedSocket
        with ExitStack() as opened:
            plain, self.local_address, _ = connect(target.address, timeout)
            opened.enter_context(plain)
            self._channel = Channel(plain, deadline)
            conversation = Conversation(protocol, target, self._channel)
            conversation.begin()
            self._sock: ssl.SSLSocket = opened.enter_context(
                context.wrap_socket(plain, server_hostname=target.name, do_handshake_on_connect=False)
            )
            complete_handshake(self._sock, deadline)
            if self._dialogue is not None and self._dialogue.before is not None:
                self._channel.go_inside(self._sock, wait_for)
                self._dialogue.before(self._channel, target)
            elif protocol.read_verdict is not None:
                answer = conversation.read_verdict(self._sock, wait_for)
                if not answer.accepted:
                    raise ConnectionRefusedError(f"the server's application rejected the client: {answer.text}")
            self._opened = opened.pop_all()

    @property
    def words(self) -> str:
        """What was going on, such as "a session"."""
        return "a connection" if self._dialogue is None else self._dialogue.words

    def problem(self) -> str | None:
        """Whether the server still serves it, and says so: what is wrong, or None. Asked once."""
        if self._dialogue is None:
            return self._ending()
        self._channel.deadline = Deadline(self._timeout)
        try:
            answer = self._dialogue.after(self._channel, self._target)
        except TimeoutError:
            return f"the server gave no answer for {self._timeout:g} s"
        except (OSError, UnexpectedAnswer) as error:
            return f"the server dropped it ({error})"
        if isinstance(answer, Answer):
            return None if answer.accepted else f"the server answered {answer.text}"
        return None if answer else "the server's answer was not the one that belongs there"

    def _ending(self) -> str | None:
        """How the connection ended, if it has."""
        try:
            while self._sock.recv(65536):
                pass  # what a server says by itself
        except (ssl.SSLWantReadError, BlockingIOError):
            return None
        except OSError as error:
            return f"the server dropped it ({error})"
        return "the server closed it"

    def close(self) -> None:
        """End it. Closing twice is not an error."""
        with self._opened:
            send_close_notify(self._sock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
