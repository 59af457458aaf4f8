"""`RotationExpectation`: a client under test changes over to another certificate, at a server of this process."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from pytest_mtls.certificates.clock import clock
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.errors import HandshakeAssertionError, InvalidArgument
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.wire import Deadline
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.explain import headline, tell
from pytest_mtls.verdict.judge import judge
from pytest_mtls.verdict.rotation import describe_certificate
from pytest_mtls.verdict.twins import own_der

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["RotationExpectation", "TimedServer", "expect_rotation"]

_ACCEPTED = Expected(accepted=True)


class TimedServer(Protocol):
    """A server of this process that knows when each verdict came."""

    def bookmark(self) -> int:
        """A place in the order of its connections: all that come from now on are after it."""

    def handshakes_since(self, bookmark: int, *, wait: bool = False) -> tuple[Handshake, ...]:
        """The handshakes of the connections that came after a bookmark."""

    def wait_for_handshake(self, bookmark: int, wanted: Callable[[Handshake], bool], timeout: float) -> float | None:
        """When the first handshake of the wanted kind came, by `pytest_mtls.certificates.clock.clock`; None if none does in time."""


class RotationExpectation:
    """What happens at a server while its client changes over to another certificate, and whether that is well.

    Made by `MutualTLSServer.expect_rotation`.

    Attributes:
        handshakes: those of the client, in the order of their verdicts: who presents the old certificate, the new one, or
            none.
        seconds: how long after the beginning of the block the first handshake with the new certificate came; None
            before the block has ended.
    """

    def __init__(self, server: TimedServer, old: Identity, new: Identity, within: float) -> None:
        for name, identity in (("old", old), ("new", new)):
            if not isinstance(identity, Identity):
                raise InvalidArgument(name, identity, "an Identity, as ca.issue_client() gives it")
        if old.certificate == new.certificate:
            raise InvalidArgument("new", new, "another certificate than the old one")
        if isinstance(within, bool) or not isinstance(within, (int, float)) or not within > 0:
            raise InvalidArgument("within", within, "a number of seconds above 0")
        self._server = server
        self._old, self._new, self._within = old, new, within
        self.handshakes: tuple[Handshake, ...] = ()
        self.seconds: float | None = None

    def __enter__(self) -> Self:
        self._bookmark = self._server.bookmark()
        self._start = clock()
        self._deadline = Deadline(self._within)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        __tracebackhide__ = True
        if error is not None and not isinstance(error, Exception):
            return
        remaining = self._deadline.remaining if error is None else 0.0
        moment = self._server.wait_for_handshake(self._bookmark, self._is_over, remaining)
        seen = [one for one in self._server.handshakes_since(self._bookmark, wait=error is None) if one.began]
        self.handshakes = tuple(one for one in seen if self._is_the_clients(one))
        changed = self._server.wait_for_handshake(self._bookmark, self._is_new, 0.0) if moment is not None else None
        self.seconds = None if changed is None else changed - self._start
        odd, complaint = self._complaint(len(seen) - len(self.handshakes))
        if complaint:
            told = () if odd is None else (odd,)
            lines = [
                f"{complaint} ({self._counted()})",
                "",
                f"  old:      {describe_certificate(self._old.certificate)}",
                f"  new:      {describe_certificate(self._new.certificate)}",
                *(f"  handshakes: {line}" for line in self._runs()),
                "",
                tell(told, _ACCEPTED) if told else "no handshake of the client is left to tell of",
            ]
            raise HandshakeAssertionError("\n".join(lines), self.handshakes) from error

    # --- whose they are ----------------------------------------------------------------------------------------------

    def _is_new(self, handshake: Handshake) -> bool:
        return _presented(handshake) == own_der(self._new)

    def _is_the_clients(self, handshake: Handshake) -> bool:
        """Whether it is a handshake of the client under test. One without certificate may be one of half-way files."""
        own = _presented(handshake)
        return own is None or own in (own_der(self._old), own_der(self._new))

    def _is_over(self, handshake: Handshake) -> bool:
        """Whether no more has to be waited for: the client has changed over, or something went wrong."""
        return self._is_new(handshake) or (
            handshake.began and handshake.accepted is False and self._is_the_clients(handshake)
        )

    # --- what is wrong -----------------------------------------------------------------------------------------------

    def _complaint(self, others: int) -> tuple[Handshake | None, str]:
        """The handshake that is not as it should be, and what is wrong."""
        if not self.handshakes:
            came = f"; {others} of other clients did" if others else ""
            return None, f"the client made no new connection{came}"
        for handshake in self.handshakes:
            if not judge(_ACCEPTED, [handshake]).is_met:
                return handshake, f"the client was not accepted throughout: {self._outcome(handshake)}"
        news = [index for index, handshake in enumerate(self.handshakes) if self._is_new(handshake)]
        last = self.handshakes[-1]
        if not news:
            return last, f"the client did not change over to its new certificate within {self._within:g} s"
        if not self._is_new(last) or len(news) < len(self.handshakes) - news[0]:
            back = next(one for one in self.handshakes[news[0] :] if not self._is_new(one))
            return back, "the client went back to its old certificate"
        if self.seconds is None or self.seconds > self._within:
            after = "" if self.seconds is None else f": it took {self.seconds:.2f} s"
            return last, f"the client did not change over to its new certificate within {self._within:g} s{after}"
        return None, ""

    def _counted(self) -> str:
        count = len(self.handshakes)
        return f"{count} handshake{'' if count == 1 else 's'} in {clock() - self._start:.2f} s"

    def _outcome(self, handshake: Handshake) -> str:
        own = _presented(handshake)
        which = {own_der(self._old): "the old certificate", own_der(self._new): "the new certificate"}
        resumed = " of a resumed session" if handshake.resumed else ""
        return f"{headline(handshake)}, with {which.get(own, 'no certificate')}{resumed}"

    def _runs(self) -> Sequence[str]:
        """The handshakes, those that ended alike on one line."""
        lines: list[tuple[str, int]] = []
        for handshake in self.handshakes:
            outcome = self._outcome(handshake)
            if lines and lines[-1][0] == outcome:
                lines[-1] = outcome, lines[-1][1] + 1
            else:
                lines.append((outcome, 1))
        return [f"{count} {outcome}" for outcome, count in lines]


def expect_rotation(server: TimedServer, old: Identity, new: Identity, within: float) -> RotationExpectation:
    """See `MutualTLSServer.expect_rotation`."""
    return RotationExpectation(server, old, new, within)


def _presented(handshake: Handshake) -> bytes | None:
    """The client's own certificate, that of the session where one was resumed."""
    chain = handshake.client_chain_der
    return chain[0] if chain else None
