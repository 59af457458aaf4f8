"""Strategies for hypothesis: chains of random depth, key kinds and names, good or with one named defect.

Needs the extra ``hypothesis``, which is imported when a strategy is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pytest_mtls.cases import CATALOGUE, Case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.cases.themes.strength import rsa_key
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind, PrivateKey
from pytest_mtls.certificates.names import distinguished_name
from pytest_mtls.certificates.profile import authority_profile
from pytest_mtls.errors import InvalidArgument, MissingExtra

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

__all__ = ["DrawnChain", "chains"]

#: What TLS stacks of today take, without the costly ones: an RSA key is made once a process and used again.
KEY_KINDS = (KeyKind.P256, KeyKind.P384, KeyKind.ED25519, KeyKind.RSA2048)

_LABELS = "abcdefghijklmnopqrstuvwxyz0123456789"


@dataclass(frozen=True)
class DrawnChain:
    """A chain that `chains` drew.

    Attributes:
        side: whose it is.
        root: the CA that the other side is to trust. All CAs between have their CRLs by it.
        issuer: the CA that a good certificate comes from: the root, or the last one below it.
        identity: what the side presents; None for a client without a certificate.
        defect: what is wrong with it; None for a good one.
        key_kind: of the leaf, if the defect does not choose it.
        names: the leaf's subject alternative names, if the defect does not choose them.
    """

    side: Literal["client", "server"]
    root: CertificateAuthority
    issuer: CertificateAuthority
    identity: Identity | None
    defect: Case | None
    key_kind: KeyKind
    names: tuple[str, ...]

    @property
    def depth(self) -> int:
        """How many CAs stand between the leaf and the root."""
        return len(self.issuer.chain)

    def with_defect(self, defect: Case | None) -> DrawnChain:
        """The same chain with another defect, or with none: what is good about it stays."""
        identity = _leaf(self.side, self.issuer, self.key_kind, self.names, defect)
        return DrawnChain(self.side, self.root, self.issuer, identity, defect, self.key_kind, self.names)


def chains(
    side: Literal["client", "server"] = "client",
    *,
    defects: Iterable[str] | None = (),
    exclude: str | Iterable[str] = (),
    max_depth: int = 3,
    key_kinds: Sequence[KeyKind | str] = KEY_KINDS,
) -> SearchStrategy[DrawnChain]:
    """Draws chains, each with CAs, keys and names of its own.

    Args:
        side: whose chains.
        defects: globs over case ids, of which each chain has one defect; without a pattern, of the bad cases that any
            correct peer rejects. None for good chains.
        exclude: a glob or several; defects that match are left out. So are those that are made on the wire.
        max_depth: how many CAs stand between leaf and root at most.
        key_kinds: what keys are drawn from.

    Raises:
        MissingExtra: hypothesis is not installed.
        InvalidArgument: an unknown side, a negative depth, no key kinds, or no defects left.
        UnknownCase: a pattern matches no case.
        UnsupportedKeyKind: an unknown kind of key.
    """
    try:
        from hypothesis import strategies
    except ImportError as error:
        raise MissingExtra("hypothesis", "hypothesis") from error
    if side not in CATALOGUE:
        raise InvalidArgument("side", side, "'client' or 'server'")
    if max_depth < 0:
        raise InvalidArgument("max_depth", max_depth, "0 or more")
    kinds = [KeyKind.parse(kind) for kind in key_kinds]
    if not kinds:
        raise InvalidArgument("key_kinds", key_kinds, "at least one kind of key")
    choices: list[Case | None] = [None]
    if defects is not None:
        choices = [case for case in CATALOGUE[side].select(tuple(defects), exclude) if _is_in_the_chain(case)]
        if not choices:
            raise InvalidArgument("defects", tuple(defects), "globs that match cases whose defect is in the chain")

    labels = strategies.text(_LABELS, min_size=1, max_size=12)
    names = strategies.lists(labels.map("{}.drawn.example".format), max_size=4, unique=True)

    @strategies.composite
    def draw_chain(draw: DrawFn) -> DrawnChain:
        root = issuer = _root(draw(strategies.sampled_from(kinds)), draw(labels))
        for _ in range(draw(strategies.integers(0, max_depth))):
            issuer = _below(issuer, draw(strategies.sampled_from(kinds)), draw(labels))
        defect = draw(strategies.sampled_from(choices))
        leaf_kinds = [kind for kind in kinds if _fits(kind, defect)] or [KeyKind.P256]
        kind, own_names = draw(strategies.sampled_from(leaf_kinds)), tuple(draw(names))
        identity = _leaf(side, issuer, kind, own_names, defect)
        return DrawnChain(side, root, issuer, identity, defect, kind, own_names)

    return draw_chain()


def _is_in_the_chain(case: Case) -> bool:
    """Whether a case's defect is in what it presents, and not in how it does so."""
    return case.rewrite is None and case.behaviour is None and case.tls is None


def _fits(kind: KeyKind, defect: Case | None) -> bool:
    """Whether a leaf with this defect can have a key of this kind: an Ed25519 key cannot be passed off as another's."""
    return kind is not KeyKind.ED25519 or defect is None or defect.theme != "possession"


def _key(kind: KeyKind) -> PrivateKey:
    return rsa_key(int(kind.value.removeprefix("rsa"))) if kind.value.startswith("rsa") else kind.generate()


def _root(kind: KeyKind, label: str) -> CertificateAuthority:
    return CertificateAuthority.self_signed(_profile(f"root {label}"), private_key=_key(kind))


def _below(issuer: CertificateAuthority, kind: KeyKind, label: str) -> CertificateAuthority:
    return issuer.issue_authority(_profile(f"CA {len(issuer.chain)} {label}"), private_key=_key(kind))


def _profile(common_name: str) -> Any:
    return authority_profile(distinguished_name(common_name))


def _leaf(
    side: Literal["client", "server"],
    issuer: CertificateAuthority,
    kind: KeyKind,
    names: tuple[str, ...],
    defect: Case | None,
) -> Identity | None:
    leaf = Leaf(side, changes={"private_key": _key(kind), "also_named": names})
    return leaf(issuer) if defect is None else defect.build(issuer, leaf)
