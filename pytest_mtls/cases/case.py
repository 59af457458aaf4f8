"""`Case`: one named way for a peer to be good or bad; the decorator that makes one, and selection by glob.

A case is data and one small function. It holds no key: its function is called with a CA when the case is used, so that
cases can be named while tests are collected, and cost nothing until then.

A function that takes a second argument gets a `Leaf`, which issues the ordinary certificate of the case's side. It serves
both sides alike, and can be combined with others: ``expired & untrusted_ca``.
"""

from __future__ import annotations

import difflib
import fnmatch
import functools
import importlib.util
import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from typing import Any, Literal, TypeVar

from pytest_mtls.cases.behaviour import ClientBehaviour, ServerBehaviour
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.errors import CaseOfWrongSide, DuplicateCase, InvalidArgument, UnknownCase
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.settings import SETTINGS
from pytest_mtls.reasons.versions import TLS_VERSIONS

__all__ = ["CATALOGUE", "Case", "Catalogue", "Function", "Rewrite", "Tier", "case"]

#: What `case` decorates: takes the CA that the other side trusts, and may take a `Leaf`.
Function = Callable[..., "Identity | None"]
#: What makes the body of a client's Certificate message anew; see `Case.rewrite`.
Rewrite = Callable[[CertificateAuthority, tuple[bytes, ...]], bytes]
#: What builds a case's peer: of the CA that the other side trusts, and of the side's ordinary certificate.
Build = Callable[[CertificateAuthority, Leaf], "Identity | None"]


class Tier(str, Enum):
    """How binding a case's verdict is."""

    MUST = "must"  #: any correct peer rejects it.
    SETTING = "setting"  #: rejected under the setting that the case names.
    INFORMATIVE = "informative"  #: stacks differ and both answers can be right: reported, never failed.
    GOOD = "good"  #: must be accepted.


@dataclass(frozen=True)
class Case:
    """One named way for a peer to be good or bad.

    Attributes:
        id: the name, unique among the cases of its side, e.g. ``"expired"``.
        side: who is good or bad in this way, "client" or "server".
        summary: one sentence.
        theme: what it is about: the name of the module that defines it, such as "path" or "names".
        reasons: why the other side must reject it; empty for a case that it accepts. Several for one with several
            defects, of which a peer names the one that it meets first.
        tier: how binding the verdict is.
        requires: the settings of the other side under which it rejects, such as "strict" or "crl": names of
            `pytest_mtls.reasons.settings.SETTINGS`.
        rfc: the section that the verdict rests on; RFC 5280's unless another is named.
        limbo: the id of the x509-limbo test case of the same defect, if there is one.
        tls: the only TLS version over which the peer can present itself, "1.2" or "1.3"; None for both.
        host: the host name or address by which a server of this case has to be asked for.
        behaviour: how a server of this case treats its clients, or how a client breaks the handshake's rules; None for a
            peer that behaves.
        rewrite: for a client whose Certificate message is replaced on the wire: makes the new body, of the CA and of the
            certificates, DER, that the client would have sent. Only over TLS 1.2.
    """

    id: str
    side: Literal["client", "server"]
    summary: str
    theme: str
    reasons: tuple[Reason, ...]
    tier: Tier
    requires: frozenset[str]
    rfc: str
    limbo: str | None
    tls: str | None
    host: str
    behaviour: ServerBehaviour | ClientBehaviour | None
    rewrite: Rewrite | None = field(repr=False, compare=False)
    build: Build = field(repr=False, compare=False)

    @property
    def reason(self) -> Reason | None:
        """Why the other side must reject it; None if it accepts, or for one of several reasons."""
        return self.reasons[0] if len(self.reasons) == 1 else None

    @property
    def rests_on(self) -> str:
        """The document and section that the verdict rests on; empty if none is named."""
        return f"RFC 5280 {self.rfc}" if self.rfc.startswith("section") else self.rfc

    @property
    def accepted(self) -> bool | None:
        """What a correct peer does: False rejects, True accepts, None either."""
        return {Tier.GOOD: True, Tier.INFORMATIVE: None}.get(self.tier, False)

    @property
    def extra(self) -> str | None:
        """The extra of the distribution without which the peer cannot be played; None for nearly all."""
        if isinstance(self.behaviour, ClientBehaviour):
            return "wire"
        return "pyopenssl" if self.behaviour is not None and self.behaviour.staples else None

    @property
    def can_be_played(self) -> bool:
        """Whether the extra that it takes, if any, is installed."""
        return self.extra is None or importlib.util.find_spec(_PACKAGES[self.extra]) is not None

    @property
    def misbehaves(self) -> bool:
        """Whether the peer does not shake hands as the protocol has it, whatever it presents."""
        return self.behaviour is not None and self.behaviour.misbehaviour is not None

    @property
    def versions(self) -> tuple[str, ...]:
        """The TLS versions over which there is such a peer."""
        spoken = self.behaviour.tls if isinstance(self.behaviour, ServerBehaviour) else None
        return tuple(tls for tls in TLS_VERSIONS if {self.tls, spoken} <= {None, tls})

    def identity(self, ca: CertificateAuthority, *, like: Identity | None = None) -> Identity | None:
        """What the peer presents, made anew at each call.

        Args:
            ca: the CA that the other side trusts, or one below it.
            like: whose subject and alternative names a client has, unless the case is about names; its own by default.

        Returns:
            The certificate chain and key; None for a client that presents no certificate.
        """
        return self.build(
            ca, Leaf(self.side, self.id).like(like) if self.side == "client" else Leaf(self.side, self.id)
        )

    def __and__(self, other: Case) -> Case:
        """A peer with the defects of both.

        The other's function issues from where this one's would have, so that each adds its part.

        Raises:
            CaseOfWrongSide: the other is of the other side.
        """
        if not isinstance(other, Case):
            return NotImplemented
        if other.side != self.side:
            raise CaseOfWrongSide(other.id, other.side, self.side)

        def build(ca: CertificateAuthority, leaf: Leaf) -> Identity | None:
            return self.build(ca, replace(leaf, issue=other.build))

        tiers = [tier for tier in Tier if tier in (self.tier, other.tier)]
        return replace(
            self,
            id=f"{self.id}+{other.id}",
            summary=f"{self.summary} {other.summary}",
            reasons=tuple(dict.fromkeys((*self.reasons, *other.reasons))),
            tier=tiers[0],
            requires=self.requires | other.requires,
            tls=self.tls or other.tls,
            behaviour=_joined(self.behaviour, other.behaviour),
            rewrite=self.rewrite or other.rewrite,
            build=build,
        )

    @property
    def options(self) -> Mapping[str, Any]:
        """What `behaviour` says, as a mapping. Deprecated: this is how 0.1 had it."""
        warnings.warn("Case.options is now called Case.behaviour", DeprecationWarning, stacklevel=2)
        behaviour = self.behaviour
        return (
            {} if behaviour is None else {name: value for name, value in vars(behaviour).items() if value is not None}
        )

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
        """The cases whose ids match any of the glob patterns.

        Without a pattern they are all that any correct peer rejects, less those that take an extra which is not installed.

        Args:
            patterns: globs over ids (`fnmatch`), case-sensitive.
            exclude: one glob or several; what they match is left out.

        Raises:
            UnknownCase: a pattern matches nothing, which is most likely a slip of the pen.
        """
        excluded = self._matching([exclude] if isinstance(exclude, str) else exclude)
        chosen = self._matching(patterns)
        if chosen is None:
            chosen = {id for id, known in self._cases.items() if known.tier is Tier.MUST and known.can_be_played}
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
    side: Literal["client", "server", "both"],
    reason: Reason | str | None = None,
    *,
    tier: Tier | str = Tier.MUST,
    requires: Iterable[str] = (),
    rfc: str = "",
    limbo: str | None = None,
    tls: str | None = None,
    host: str = "localhost",
    behaviour: ServerBehaviour | ClientBehaviour | None = None,
    options: Mapping[str, Any] | None = None,
    rewrite: Rewrite | None = None,
    id: str | None = None,
) -> Callable[[Function], Function]:
    """Make a case of a function that builds what the peer presents, and add it to the catalogue.

    The function takes the CA that the other side trusts, and returns an `Identity`, or None for no certificate. If it takes
    a second argument it gets the side's `Leaf`. Its docstring is the case's documentation, its first sentence the summary.

    Args:
        side: "client", "server", or "both" for a case of each.
        reason: why it must be rejected.
        tier: how binding that is; `Tier.MUST` by default.
        requires: the settings under which it is rejected, such as "strict", "crl" or, for a server, "staple".
        rfc: the section that the verdict rests on.
        limbo: the id of the same case in x509-limbo.
        tls: the only TLS version over which it can be presented; both by default.
        host: the name or address by which a server of this case has to be asked for.
        behaviour: a `ServerBehaviour` or a `ClientBehaviour`, for a peer that is odd in what it does.
        options: the same as a mapping, as 0.1 had it. Deprecated.
        rewrite: for a client, what makes the body of its Certificate message, under TLS 1.2; see `Case`.
        id: the name; that of the function, with hyphens, by default.

    Raises:
        InvalidArgument: an unknown side, reason, tier or setting; a behaviour of the other side, or that there is not.
        DuplicateCase: the side has another case of this id.
    """
    if side not in ("client", "server", "both"):
        raise InvalidArgument("side", side, "'client', 'server' or 'both'")
    known_reason = None if reason is None else _member(Reason, "reason", reason)
    known_tier = _member(Tier, "tier", tier)
    unknown = set(requires) - set(SETTINGS)
    if unknown:
        raise InvalidArgument("requires", sorted(unknown), f"of {', '.join(sorted(SETTINGS))}")
    if options is not None:
        warnings.warn("case(options=) is now called behaviour=", DeprecationWarning, stacklevel=2)
        behaviour = _behaviour_of(side, options)
    kind = _BEHAVIOURS.get(side)
    if behaviour is not None and (kind is None or not isinstance(behaviour, kind)):
        raise InvalidArgument("behaviour", behaviour, f"None, or a {kind.__name__}" if kind else "None for both sides")

    def register(function: Function) -> Function:
        name = id or function.__name__.strip("_").replace("_", "-")
        text = inspect.getdoc(function) or name.replace("-", " ")
        for one_side in ("client", "server") if side == "both" else (side,):
            new = Case(
                id=name,
                side=one_side,
                summary=" ".join(text.split("\n\n")[0].split()),
                theme=function.__module__.rpartition(".")[2],
                reasons=() if known_reason is None else (known_reason,),
                tier=known_tier,
                requires=frozenset(requires),
                rfc=rfc,
                limbo=limbo,
                tls=tls,
                host=host,
                behaviour=behaviour,
                rewrite=rewrite,
                build=_builder(function),
            )
            CATALOGUE[one_side].add(new)
        return function

    return register


#: What an extra brings that cases take.
_PACKAGES = {"pyopenssl": "OpenSSL", "wire": "tlslite"}

_Member = TypeVar("_Member", bound=Enum)

_BEHAVIOURS: Mapping[str, type[ServerBehaviour] | type[ClientBehaviour]] = {
    "server": ServerBehaviour,
    "client": ClientBehaviour,
}


def _behaviour_of(side: str, options: Mapping[str, Any]) -> ServerBehaviour | ClientBehaviour | None:
    """What 0.1 called the options of a case, typed."""
    kind = _BEHAVIOURS.get(side)
    if not options or kind is None:
        return None
    allowed = [one.name for one in fields(kind)]
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        raise InvalidArgument("options", unknown, f"of {', '.join(allowed)}")
    return kind(**options)


def _joined(
    one: ServerBehaviour | ClientBehaviour | None, other: ServerBehaviour | ClientBehaviour | None
) -> ServerBehaviour | ClientBehaviour | None:
    """What a peer does of whom both are said; the first has the say where they differ."""
    if isinstance(one, ServerBehaviour) and isinstance(other, ServerBehaviour):
        return one.over(other)
    if isinstance(one, ClientBehaviour) and isinstance(other, ClientBehaviour):
        return one.over(other)
    return other if one is None else one


def _member(kind: type[_Member], argument: str, value: object) -> _Member:
    try:
        return kind(value)
    except ValueError:
        raise InvalidArgument(argument, value, f"one of {', '.join(str(known.value) for known in kind)}") from None


def _builder(function: Function) -> Build:
    if len(inspect.signature(function).parameters) > 1:
        return function

    @functools.wraps(function)
    def build(ca: CertificateAuthority, _: Leaf) -> Identity | None:
        return function(ca)

    return build


def _origin(build: Build) -> tuple[str, int]:
    """Where a function is written, so that a module which is imported again does not clash with itself."""
    code = inspect.unwrap(build).__code__
    return code.co_filename, code.co_firstlineno
