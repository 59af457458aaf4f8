"""Named checks of a client beyond the server's certificate."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["CHECKS", "check_id"]

CHECKS: Mapping[str, object] = {}


def check_id(name: str) -> str:
    """What a check is called among the cases of a report."""
    return f"check[{name}]"
