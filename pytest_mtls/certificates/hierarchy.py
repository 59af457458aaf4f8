"""`Hierarchy`: what a root CA and all CAs below it share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Generic, TypeVar

from pytest_mtls.certificates.crl_directory import CRLDirectory
from pytest_mtls.certificates.files import PrivateDirectory

__all__ = ["Hierarchy"]

_Authority = TypeVar("_Authority")


@dataclass(frozen=True)
class Hierarchy(Generic[_Authority]):
    """The CAs of one family and what they have made known.

    The lists are only ever appended to, which is atomic, so that servers on other threads can follow them without a
    lock.

    Attributes:
        authorities: all CAs, each after the one above it.
        changes: what any of them has revoked or published, in this order.
        relatives: hierarchies with a CA of the same name and key, by a cross-certificate.
        responders: where the OCSP responder of all of them is; empty, or one URL.
        shared: the fixtures whose certificates have these serial numbers.
        files: where the files of the CAs and of what they issued are.
        crl_directory: where OpenSSL finds the CRLs of all of them.
    """

    authorities: list[_Authority] = field(default_factory=list)
    changes: list[str] = field(default_factory=list)
    relatives: list[Hierarchy[_Authority]] = field(default_factory=list, compare=False)
    responders: list[str] = field(default_factory=list, compare=False)
    shared: dict[int, str] = field(default_factory=dict, compare=False)
    files: PrivateDirectory = field(default_factory=PrivateDirectory)
    crl_directory: CRLDirectory = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "crl_directory", CRLDirectory(self.files))

    @property
    def revision(self) -> int:
        """A number that grows whenever a CA joins, revokes or publishes something, or one of a related hierarchy revokes."""
        return len(self.authorities) + self.revocations

    @property
    def revocations(self) -> int:
        """A number that grows whenever a CA revokes or publishes something, or one of a related hierarchy does."""
        related = sum(len(relative.changes) for relative in self.relatives.copy())
        return len(self.changes) + related
