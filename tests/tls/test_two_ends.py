"""The two verdicts on one handshake: whatever happens in whatever order, they never contradict each other."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TypeVar

from hypothesis import event, given, settings
from hypothesis import strategies as st

from pytest_mtls import Alert
from pytest_mtls.reasons.side import Side, opposite
from pytest_mtls.tls.handshake import Handshake, judge_failure
from pytest_mtls.tls.transcript import Message

Words = tuple[Side, str]


def _said(text: str) -> tuple[Words, ...]:
    """The messages of a handshake in order, those of the server after an arrow."""
    words: list[Words] = []
    for line in text.strip().splitlines():
        arrow, *names = line.split()
        words += [("client" if arrow == ">" else "server", name) for name in names]
    return tuple(words)


#: Who says what, in order; each end judges the other when it has its proof.
_TLS13 = _said("""
    > ClientHello
    < ServerHello EncryptedExtensions CertificateRequest Certificate CertificateVerify Finished
    > Certificate CertificateVerify Finished
    < NewSessionTicket
""")
_TLS12 = _said("""
    > ClientHello
    < ServerHello Certificate ServerKeyExchange CertificateRequest ServerHelloDone
    > Certificate ClientKeyExchange CertificateVerify Finished
    < NewSessionTicket Finished
""")
_PROOFS = {"client": ("CertificateVerify", "ServerKeyExchange"), "server": ("CertificateVerify",)}


E = TypeVar("E", bound=ssl.SSLError)


@dataclass
class End:
    """One end, and what it knows by now.

    Attributes:
        side: which it is.
        transcript: what it has said and heard.
        error: what ended it; None while it goes on.
        is_stopped: whether it was ended from outside, so that its error is not its judgement.
    """

    side: Side
    transcript: tuple[Message, ...] = ()
    error: Exception | None = None
    is_stopped: bool = False

    def judged(self) -> Handshake:
        """The verdict of this end alone, as `probe` and the server come to it."""
        seen = Handshake(self.side, None, transcript=self.transcript)
        if self.is_stopped:
            return Handshake(
                self.side, None, transcript=self.transcript, error="stopped in the middle of the handshake"
            )
        if self.error is None:
            return Handshake(self.side, True, transcript=self.transcript)
        return judge_failure(seen, self.error)


def of_openssl(kind: type[E], number: int, text: str) -> E:
    """An error as OpenSSL raises it."""
    error = kind(number, text)
    error.reason = text.upper().replace(" ", "_")
    return error


def rejection() -> ssl.SSLCertVerificationError:
    """What OpenSSL raises at the end that rejects the other's certificate."""
    error = of_openssl(ssl.SSLCertVerificationError, 1, "certificate verify failed")
    error.verify_code, error.verify_message = 10, "certificate has expired"
    return error


def alert(sender: Side, *, tls13: bool) -> Message:
    return Message(sender, "Alert", bytes([2, Alert.CERTIFICATE_EXPIRED]), tls13)


#: How a connection ends for the end that did not end it.
ENDINGS = st.sampled_from(
    [
        of_openssl(ssl.SSLEOFError, 8, "unexpected eof while reading"),
        ConnectionResetError(104, "reset"),
        TimeoutError("timed out"),
    ]
)


@st.composite
def both_ends(draw: st.DrawFn) -> tuple[End, End]:
    """A client and a server after some of the handshake, of which something ended what was left, if anything did."""
    tls13 = draw(st.booleans())
    script = _TLS13 if tls13 else _TLS12
    sides: tuple[Side, ...] = ("client", "server")
    ends = {side: End(side) for side in sides}
    rejecting = draw(st.sets(st.sampled_from(sides)))
    stop_at = draw(st.one_of(st.none(), st.integers(0, len(script))))
    stopped = draw(st.sampled_from((*sides, None)))
    for place, (who, what) in enumerate(script):
        if place == stop_at:
            _interrupt(draw, ends, stopped)
            break
        message = Message(who, what, b"", tls13)
        for end in ends.values():
            end.transcript += (message,)
        hearing = opposite(who)
        if hearing in rejecting and what in _PROOFS[hearing]:
            _reject(draw, ends, hearing, tls13)
            break
    else:
        if stop_at is not None and stopped == "server":
            _interrupt(draw, ends, stopped, only_other=True)
    return ends["client"], ends["server"]


def _reject(draw: st.DrawFn, ends: dict[Side, End], side: Side, tls13: bool) -> None:
    """One end rejects the other by an alert, which may be lost on the way; the other may be stopped meanwhile."""
    own, other = ends[side], ends[opposite(side)]
    words = alert(side, tls13=tls13)
    own.transcript += (words,)
    own.error = rejection()
    if draw(st.booleans()):
        other.transcript += (words,)
        other.error = of_openssl(ssl.SSLError, 1, "sslv3 alert certificate expired")
    else:
        other.error = draw(ENDINGS)
        other.is_stopped = draw(st.booleans())


def _interrupt(draw: st.DrawFn, ends: dict[Side, End], who: Side | None, *, only_other: bool = False) -> None:
    """An end is stopped or runs out of time, or the network cuts both off; the other end sees no more than that."""
    if who is None:
        for end in ends.values():
            end.error = draw(st.sampled_from([TimeoutError("timed out"), OSError(113, "no route to host")]))
        return
    own, other = ends[who], ends[opposite(who)]
    if not only_other:
        if draw(st.booleans()):
            own.is_stopped, own.error = True, of_openssl(ssl.SSLEOFError, 8, "unexpected eof while reading")
        else:
            own.error = TimeoutError("timed out")
    other.error = draw(ENDINGS)


def of(seen: Handshake) -> tuple[bool | None, Side | None]:
    return seen.accepted, seen.rejected_by


@settings(max_examples=600, deadline=None)
@given(both_ends())
def test_two_verdicts_agree_or_one_is_undecided(ends: tuple[End, End]) -> None:
    """What the probe says of a handshake with a server of ours never contradicts what that server says."""
    client, server = (end.judged() for end in ends)
    seen = client.seen_from_both_ends(server)
    event(f"client {of(seen)}, server {of(server)}")
    assert of(seen) == of(server) or None in (seen.accepted, server.accepted)


@settings(max_examples=300, deadline=None)
@given(both_ends())
def test_what_an_end_judged_itself_stands(ends: tuple[End, End]) -> None:
    """A rejection that one end came to by itself is the verdict of both, with its reason."""
    client, server = (end.judged() for end in ends)
    seen = client.seen_from_both_ends(server)
    for own in (client, server):
        if own.accepted is False and own.rejected_by == own.side:
            assert (False, own.side, own.reason) == (seen.accepted, seen.rejected_by, seen.reason)
