"""`Case`: one named way for a peer to be good or bad; the decorator that makes one, and selection by glob.

A case is data and one small function. It holds no key: its function is called with a CA when the case is used, so that
cases can be named while tests are collected, and cost nothing until then.
"""

from __future__ import annotations

import difflib
import fnmatch
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.errors import DuplicateCase, InvalidArgument, UnknownCase
from pytest_mtls.reason import Reason

__all__ = ["Case", "Catalogue", "Tier", "case"]

Build = Callable[[CertificateAuthority], "Identity | None"]


class Tier(str, Enum):
    """How binding a case's verdict is."""

    MUST = "must"  #: any correct peer refuses it.
    SETTING = "setting"  #: refused under the setting that the case names.
    INFORMATIVE = "informative"  #: stacks differ and both answers can be right: reported, never failed.
    GOOD = "good"  #: must be accepted.


@dataclass(frozen=True)
class Case:
    """One named way for a peer to be good or bad.

    Attributes:
        id: the name, unique among the cases of its side, e.g. ``"expired"``.
        side: who is good or bad in this way, "client" or "server".
        summary: one sentence.
        reason: why the other side must refuse it; None for a case that it accepts.
        tier: how binding the verdict is.
        requires: the settings of the other side under which it refuses, e.g. ``{"strict"}`` or ``{"crl"}``.
        rfc: the section that the verdict rests on.
        limbo: the id of the x509-limbo test case of the same defect, if there is one.
    """

    id: str
    side: Literal["client", "server"]
    summary: str
    reason: Reason | None
    tier: Tier
    requires: frozenset[str]
    rfc: str
    limbo: str | None
    build: Build = field(repr=False, compare=False)

    @property
    def accepted(self) -> bool | None:
        """What a correct peer does: False refuses, True accepts, None either."""
        return {Tier.GOOD: True, Tier.INFORMATIVE: None}.get(self.tier, False)

    def identity(self, ca: CertificateAuthority) -> Identity | None:
        """What the peer presents, made anew at each call.

        Args:
            ca: the CA that the other side trusts.

        Returns:
            The certificate chain and key; None for a client that presents no certificate.
        """
        return self.build(ca)

    def __str__(self) -> str:
        return self.id


class Catalogue:
    """All cases of one side, in the order they were defined."""

    def __init__(self, side: Literal["client", "server"]) -> None:
        self.side = side
        self._cases: dict[str, Case] = {}

    def add(self, new: Case) -> None:
        """Take a case in.

        Raises:
            DuplicateCase: another function has already defined a case of this id.
        """
        known = self._cases.get(new.id)
        if known is not None and _origin(known.build) != _origin(new.build):
            raise DuplicateCase(new.id, self.side)
        self._cases[new.id] = new

    def select(self, patterns: Iterable[str] = (), exclude: str | Iterable[str] = ()) -> list[Case]:
        """The cases whose ids match any of the glob patterns; all that are not good ones without a pattern.

        Args:
            patterns: globs over ids (`fnmatch`), case-sensitive.
            exclude: one glob or several; what they match is left out.

        Raises:
            UnknownCase: a pattern matches nothing, which is most likely a slip of the pen.
        """
        excluded = self._matching([exclude] if isinstance(exclude, str) else exclude)
        chosen = self._matching(patterns)
        if chosen is None:
            chosen = {id for id, known in self._cases.items() if known.tier is not Tier.GOOD}
        return [known for id, known in self._cases.items() if id in chosen and id not in (excluded or ())]

    def _matching(self, patterns: Iterable[str]) -> set[str] | None:
        matches: set[str] | None = None
        for pattern in patterns:
            if not isinstance(pattern, str):
                raise InvalidArgument("a case pattern", pattern, "a string, such as 'expired*'")
            found = fnmatch.filter(self._cases, pattern)
            if not found:
                similar = tuple(difflib.get_close_matches(pattern, self._cases, n=3))
                raise UnknownCase(pattern, self.side, similar)
            matches = (matches or set()).union(found)
        return matches


#: The catalogue: what `case` adds to.
CATALOGUE = {"client": Catalogue("client"), "server": Catalogue("server")}


def case(
    side: Literal["client", "server"],
    reason: Reason | str | None = None,
    *,
    tier: Tier | str = Tier.MUST,
    requires: Iterable[str] = (),
    rfc: str = "",
    limbo: str | None = None,
    id: str | None = None,
) -> Callable[[Build], Build]:
    """Make a case of a function that builds what the peer presents, and add it to the catalogue.

    The function takes the CA that the other side trusts, and returns an `Identity`, or None for no certificate. Its
    docstring is the case's documentation, the first sentence its summary.

    Args:
        side: "client" or "server".
        reason: why it must be refused.
        tier: how binding that is; `Tier.MUST` by default.
        requires: the settings under which it is refused.
        rfc: the section that the verdict rests on.
        limbo: the id of the same case in x509-limbo.
        id: the name; that of the function, with hyphens, by default.

    Raises:
        InvalidArgument: an unknown side, reason or tier.
        DuplicateCase: the side has another case of this id.
    """
    if side not in CATALOGUE:
        raise InvalidArgument("side", side, "'client' or 'server'")
    try:
        known_reason = None if reason is None else Reason(reason)
    except ValueError:
        raise InvalidArgument("reason", reason, f"one of {', '.join(Reason)}") from None
    try:
        known_tier = Tier(tier)
    except ValueError:
        raise InvalidArgument("tier", tier, f"one of {', '.join(t.value for t in Tier)}") from None

    def register(build: Build) -> Build:
        name = id or build.__name__.strip("_").replace("_", "-")
        text = inspect.getdoc(build) or name.replace("-", " ")
        summary = " ".join(text.split("\n\n")[0].split())
        CATALOGUE[side].add(
            Case(name, side, summary, known_reason, known_tier, frozenset(requires), rfc, limbo, build)
        )
        return build

    return register


def _origin(build: Build) -> tuple[str, int]:
    """Where a function is written, so that a module which is imported again does not clash with itself."""
    code = build.__code__
    return code.co_filename, code.co_firstlineno
