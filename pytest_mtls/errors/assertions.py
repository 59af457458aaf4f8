"""What a failed assertion raises."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["HandshakeAssertionError"]


class HandshakeAssertionError(AssertionError):
    """A handshake did not end as expected. The text is the whole story; ``handshakes`` are those it tells of.

    Args:
        story: the text, as `pytest_mtls.verdict.explain` writes it.
        handshakes: the `Handshake` objects it tells of, in order; none if nobody connected.
    """

    def __init__(self, story: str, handshakes: Sequence[Any] = ()) -> None:
        super().__init__(story)
        self.handshakes = tuple(handshakes)
