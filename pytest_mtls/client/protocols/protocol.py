"""`Protocol`: what is said on a connection before its TLS handshake, and inside until the server's verdict is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_mtls.reasons.reason import Reason

__all__ = ["Answer", "OwnProbe", "Preamble", "Protocol", "UnexpectedAnswer", "VerdictReader", "shortened"]

_LONGEST_TEXT = 100


class UnexpectedAnswer(Exception):
    """What the server said is not a verdict: it declined TLS, speaks something else, or is not ready. Says so in words.

    Attributes:
        answer: what the application answered inside TLS, in short; empty where it is not an answer of its own.
    """

    def __init__(self, problem: str, *, answer: str = "") -> None:
        super().__init__(problem)
        self.answer = answer


@dataclass(frozen=True)
class Answer:
    """What a server's application said, once TLS was up.

    Attributes:
        accepted: whether that takes the client in.
        text: the answer in short, e.g. ``HTTP 400``.
        reason: why it rejected the client; `Reason.ACCESS_DENIED` unless the answer is about the certificate.
    """

    accepted: bool
    text: str
    reason: Reason = Reason.ACCESS_DENIED


#: Called with the plain connection, a `Channel`, and the `Endpoint`; returns when the server waits for a ClientHello.
Preamble = Callable[[Any, Any], None]
#: Called in the same way when this end's handshake is done. True and False stand for an answer without text.
VerdictReader = Callable[[Any, Any], "Answer | bool"]
#: Does everything itself. Called with keyword arguments; see `register_protocol`.
OwnProbe = Callable[..., Any]


@dataclass(frozen=True)
class Protocol:
    """One protocol that a server under test may speak.

    Attributes:
        name: as in `Endpoint.protocol`.
        port: the TCP port that a URL without one means; None if it has to be given.
        preamble: what is said before the handshake; None where TLS comes first.
        read_verdict: what is said inside until the verdict is known; None where nothing is, and TLS alone has to tell.
        alpn: the application protocols that are offered (RFC 7301).
        probe: instead of all that, a callable that does everything itself.
        layer: what a rejection that comes after the handshake is said to be rejected by; the name by default.
    """

    name: str
    port: int | None = None
    preamble: Preamble | None = None
    read_verdict: VerdictReader | None = None
    alpn: tuple[str, ...] = ()
    probe: OwnProbe | None = None
    layer: str = ""

    def __post_init__(self) -> None:
        if not self.layer:
            object.__setattr__(self, "layer", self.name)


def shortened(data: bytes) -> str:
    """A server's words for a message, on one line."""
    text = " ".join(data.decode("utf-8", "backslashreplace").split())
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 3] + "..."
