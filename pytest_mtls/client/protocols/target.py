"""`Target`: what a protocol has to know of the server that it talks to."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Target"]


class Target(Protocol):
    """The part of an `Endpoint` that goes into what is said."""

    @property
    def name(self) -> str:
        """The name that the server is asked for by."""

    @property
    def netloc(self) -> str:
        """Name and port as in a URL."""

    @property
    def path(self) -> str:
        """What is asked for."""

    @property
    def user(self) -> str | None:
        """Who logs in."""

    @property
    def password(self) -> str | None:
        """The same user's password."""
