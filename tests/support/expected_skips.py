"""The skips that a CI run may have. Any other skip fails it, for a test that never runs there proves nothing."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["EXPECTED_SKIPS", "ExpectedSkip", "is_expected"]


@dataclass(frozen=True)
class ExpectedSkip:
    """A skip that is not a loss.

    Attributes:
        test: glob over the node id of the test.
        reason: glob over the reason that it skips with.
        why: why the test cannot run in CI.
    """

    test: str
    reason: str
    why: str


EXPECTED_SKIPS: tuple[ExpectedSkip, ...] = ()


def is_expected(test: str, reason: str, table: Iterable[ExpectedSkip] = EXPECTED_SKIPS) -> bool:
    """Whether the table has an entry for this test and this reason."""
    return any(fnmatch.fnmatchcase(test, skip.test) and fnmatch.fnmatchcase(reason, skip.reason) for skip in table)
