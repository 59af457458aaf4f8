"""`ask`: what a server chooses of an offer, by a ClientHello and no more of a handshake."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.client.probe import Conversation, connect
from pytest_mtls.client.protocols import PROTOCOLS
from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.client.protocols.protocol import UnexpectedAnswer
from pytest_mtls.tls.hello import Choice, Offer, choice_of, client_hello, messages_in
from pytest_mtls.tls.wire import Deadline, send_all, wait_for

__all__ = ["Answer", "ask"]

#: What a server sends before it waits for the client is less than this, unless it is not TLS.
_LONGEST = 1_000_000


@dataclass(frozen=True)
class Answer:
    """What came of an offer.

    Attributes:
        choice: what the server chose; None if it neither chose nor declined.
        error: why there is no choice.
    """

    choice: Choice | None
    error: str = ""

    @property
    def is_taken(self) -> bool:
        """Whether the server chose something."""
        return self.choice is not None and self.choice.version is not None


def ask(target: Endpoint, offer: Offer, timeout: float = 5.0) -> Answer:
    """Send a ClientHello, and read what the server chooses; the handshake goes no further.

    A server that closes the connection has declined, as one that sends an alert has.

    Args:
        target: the server; no more connections a second are made than its limiter allows.
        offer: what to offer.
        timeout: seconds for all of it.
    """
    if target.rate_limiter is not None:
        target.rate_limiter.wait()
    deadline = Deadline(timeout)
    try:
        plain, _, _ = connect(target.address, timeout)
    except OSError as error:
        return Answer(None, f"cannot connect to {target}: {error.strerror or error}")
    with plain:
        received = b""
        try:
            Conversation(PROTOCOLS[target.protocol], target, Channel(plain, deadline)).begin()
            send_all(plain, client_hello(offer), deadline)
            while len(received) < _LONGEST:
                if not wait_for(plain, deadline.remaining):
                    return Answer(None, "no answer in time")
                part = plain.recv(65536)
                received += part
                choice = choice_of(messages_in(received, "server"))
                if choice is not None:
                    return Answer(choice)
                if not part:
                    return Answer(Choice())
        except ConnectionError:
            return Answer(Choice())
        except (OSError, UnexpectedAnswer) as error:
            return Answer(None, str(error))
    return Answer(None, "what it answers is not TLS")
