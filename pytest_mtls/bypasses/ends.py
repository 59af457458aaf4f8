"""How a check of a bypass ends: it returns if the server held, and raises one of these otherwise."""

from __future__ import annotations

from enum import Enum

__all__ = ["Bypassed", "Ended", "NotApplicable", "Undecided", "Verdict"]


class Verdict(str, Enum):
    """What a check of a bypass comes to."""

    HELD = "held"  #: the server did not let the attacker in.
    BYPASSED = "bypassed"  #: it did.
    UNDECIDED = "undecided"  #: the server gave no verdict, or rejects everybody.
    NOT_APPLICABLE = "not applicable"  #: it cannot be tried here; the note says why.


class Ended(Exception):
    """How a check ends that did not hold. Says in words why."""

    verdict = Verdict.UNDECIDED


class Bypassed(Ended):
    """The attacker got in."""

    verdict = Verdict.BYPASSED


class Undecided(Ended):
    """Nothing is proved."""


class NotApplicable(Ended):
    """It cannot be tried with this server, or with what is known of it."""

    verdict = Verdict.NOT_APPLICABLE
