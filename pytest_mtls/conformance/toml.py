"""`Checker`: what a table of TOML may hold, with a complaint that names the source."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_mtls.errors import InvalidPolicy

__all__ = ["Checker"]


class Checker:
    """Complains about one source, by raising `InvalidPolicy`.

    Args:
        source: what the table was read from, in words.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self.error: Callable[[str], InvalidPolicy] = lambda problem: InvalidPolicy(source, problem)

    def keys(self, table: Mapping[str, Any], known: tuple[str, ...], what: str) -> None:
        """See that a table has no other entries than these."""
        unknown = sorted(set(table) - set(known))
        if unknown:
            raise self.error(f"{what} has an unknown {unknown[0]!r}; known are {', '.join(known)}")

    def list_of(self, table: Mapping[str, Any], name: str) -> list[Any]:
        """An entry that is a list; empty if it is not there."""
        value = table.get(name, [])
        if not isinstance(value, list):
            raise self.error(f"{name} is {value!r}, and must be a list")
        return value

    def one_of(self, value: Any, known: tuple[str, ...], what: str) -> str:
        """A value that is one of these."""
        if value not in known:
            raise self.error(f"{what} is {value!r}, and must be one of {', '.join(known)}")
        return str(value)

    def text(self, table: Mapping[str, Any], name: str, what: str = "an exception") -> str:
        """An entry that is a text and not empty."""
        value = table.get(name)
        if not isinstance(value, str) or not value.strip():
            raise self.error(f"the {name} of {what} is {value!r}, and must be a text")
        return value
