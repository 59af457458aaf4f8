"""`Expected`: what a test expects of a handshake."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import Side, opposite

__all__ = ["Expected"]


@dataclass(frozen=True)
class Expected:
    """What a test expects of a handshake.

    Attributes:
        accepted: True to be accepted, False to be rejected.
        by: for a rejection, the side that rejects.
        reasons: for a rejection, why, or one of several reasons; empty for any reason.
    """

    accepted: bool
    by: Side = "server"
    reasons: tuple[Reason, ...] = ()

    @property
    def demand(self) -> str:
        """What should have happened, as the rest of a sentence."""
        if self.accepted:
            return "both sides should have accepted"
        return f"the {self.by} should have rejected the {opposite(self.by)}{self._why}"

    def __str__(self) -> str:
        if self.accepted:
            return "accepted by both sides"
        return f"rejected by the {self.by}{self._why}"

    @property
    def _why(self) -> str:
        return f": {' or '.join(reason.words for reason in self.reasons)}" if self.reasons else ""
