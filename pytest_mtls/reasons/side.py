"""The two sides of a handshake."""

from __future__ import annotations

from typing import Literal

__all__ = ["Side", "opposite"]

Side = Literal["client", "server"]


def opposite(side: Side) -> Side:
    """The other side."""
    return "client" if side == "server" else "server"
