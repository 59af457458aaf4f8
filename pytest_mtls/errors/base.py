"""The base of all errors, and those about arguments and about what is not installed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["InvalidArgument", "LibraryUnavailable", "MissingExtra", "MissingProgram", "MtlsError"]


class MtlsError(Exception):
    """Base of what pytest-mtls raises for bad input; never raised itself."""


@dataclass(eq=False)
class InvalidArgument(MtlsError):
    """An argument is none of the values that it may have."""

    name: str
    value: Any
    allowed: str

    def __str__(self) -> str:
        return f"{self.name} is {self.value!r}, but it must be {self.allowed}."


@dataclass(eq=False)
class MissingExtra(MtlsError):
    """Something needs a package that comes only with an extra of the distribution."""

    extra: str
    package: str

    def __str__(self) -> str:
        return f"{self.package} is not installed. It comes with the extra: pip install 'pytest-mtls[{self.extra}]'."


@dataclass(eq=False)
class MissingProgram(MtlsError):
    """Something needs a program that is not on the path."""

    program: str
    origin: str

    def __str__(self) -> str:
        return f"the program {self.program} is not on the path. It is one of {self.origin}."


@dataclass(eq=False)
class LibraryUnavailable(MtlsError):
    """A client library that is not known, or not installed: none of them comes with pytest-mtls."""

    name: str
    problem: str

    def __str__(self) -> str:
        return f"client library {self.name!r} cannot be used: {self.problem}"
