"""`Verdict`: what a handshake came to, in a word."""

from __future__ import annotations

from enum import Enum

__all__ = ["Verdict"]


class Verdict(str, Enum):
    """What a handshake came to. A `str`, so ``"refused"`` works wherever ``Verdict.REFUSED`` does."""

    ACCEPTED = "accepted"  #: both sides took each other, and so did the application that was asked.
    REFUSED = "refused"  #: one side rejected the other.
    UNDECIDED = "undecided"  #: there is no verdict; `Handshake.error` says why.

    def __str__(self) -> str:
        return self.value
