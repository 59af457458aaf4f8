"""What is wrong with the choice of a case, or with a case itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_mtls.errors.base import MtlsError

__all__ = ["CaseNotPresentable", "CaseOfWrongSide", "DuplicateCase", "UnknownCase"]


@dataclass(eq=False)
class UnknownCase(MtlsError):
    """A pattern matches no case of the catalogue: none of one side, or where ``side`` is None, of either."""

    pattern: str
    side: str | None
    similar: Sequence[str] = field(default=())

    def __str__(self) -> str:
        hint = f"Did you mean {', '.join(self.similar)}?" if self.similar else "Patterns are globs over case ids."
        which, option = (f"{self.side} case", f" --side {self.side}") if self.side else ("case", "")
        return f"no {which} matches {self.pattern!r}. {hint} `python -m pytest_mtls cases{option}` lists them all."


@dataclass(eq=False)
class DuplicateCase(MtlsError):
    """Two cases of one side have the same id."""

    id: str
    side: str

    def __str__(self) -> str:
        return f"there is already a {self.side} case {self.id!r}. Give the new one another name."


@dataclass(eq=False)
class CaseOfWrongSide(MtlsError):
    """A client's case was given where a server's belongs, or the other way round."""

    id: str
    side: str
    wanted: str

    def __str__(self) -> str:
        return (
            f"case {self.id!r} is a {self.side}'s, and a {self.wanted}'s is needed here. "
            f"Take one of pytest_mtls.{self.wanted}_cases()."
        )


@dataclass(eq=False)
class CaseNotPresentable(MtlsError):
    """What a case presents cannot go over this TLS version, or not by this TLS library. A test skips for it."""

    id: str
    problem: str

    def __str__(self) -> str:
        return f"case {self.id!r} cannot be presented here: {self.problem}."
