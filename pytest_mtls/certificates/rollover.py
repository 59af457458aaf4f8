"""`TrustRollOver`: the steps in which a root CA is replaced by another, and whom a correct peer takes at each.

The steps are those of RFC 4210 section 4.4, with the cross-certificates that it calls NewWithOld and OldWithNew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.errors import InvalidArgument

__all__ = ["LEAVES", "LeafKind", "RollOverStep", "StepName", "TrustRollOver"]

StepName = Literal["old", "both", "new"]
LeafKind = Literal["old", "new", "new-with-cross", "old-with-cross"]

#: What a peer may present, in words, and in which steps a correct peer takes it.
LEAVES: Mapping[LeafKind, tuple[str, tuple[StepName, ...]]] = {
    "old": ("a certificate of the old root", ("old", "both")),
    "new": ("a certificate of the new root", ("both", "new")),
    "new-with-cross": (
        "a certificate of the new root, with the cross-certificate of the new root by the old one",
        ("old", "both", "new"),
    ),
    "old-with-cross": (
        "a certificate of the old root, with the cross-certificate of the old root by the new one",
        ("old", "both", "new"),
    ),
}

_STEPS: tuple[StepName, ...] = ("old", "both", "new")


@dataclass(frozen=True)
class RollOverStep:
    """One step: what the peers trust, and whom they take.

    Attributes:
        name: "old", "both" or "new", for what is trusted.
        trust: the root CAs that a peer trusts in this step.
        clients: one client of each kind, by kind; the kinds are those of `LEAVES`.
        servers: one server of each kind, for localhost.
    """

    name: StepName
    trust: tuple[CertificateAuthority, ...]
    clients: Mapping[LeafKind, Identity]
    servers: Mapping[LeafKind, Identity]

    @property
    def accepted(self) -> tuple[LeafKind, ...]:
        """Whom a correct peer takes."""
        return tuple(kind for kind, (_, steps) in LEAVES.items() if self.name in steps)

    @property
    def rejected(self) -> tuple[LeafKind, ...]:
        """Whom it rejects, for an unknown CA."""
        return tuple(kind for kind in LEAVES if kind not in self.accepted)

    @property
    def safe(self) -> tuple[LeafKind, ...]:
        """Who is taken by peers that are one step behind or ahead, too: what to present in this step."""
        place = _STEPS.index(self.name)
        near = _STEPS[max(place - 1, 0) : place + 2]
        return tuple(kind for kind, (_, steps) in LEAVES.items() if set(near) <= set(steps))

    @property
    def bundle(self) -> bytes:
        """The root certificates, PEM."""
        return b"".join(ca.pem for ca in self.trust)

    def __repr__(self) -> str:
        return f"<RollOverStep {self.name}>"


class TrustRollOver:
    """The replacement of a root CA, step by step: the old one is trusted, both, and the new one.

    ``for step in roll_over:`` gives each `RollOverStep`; ``roll_over["both"]`` gives one.

    Args:
        old: the root that is trusted now.
        new: the root that takes its place; the old one's `successor` by default.

    Attributes:
        old, new: as above.

    Raises:
        InvalidArgument: one of them is not a CA with a root certificate, or they are the same.
        MissingPrivateKey: a key is not here: both certify, each other too.
    """

    def __init__(self, old: CertificateAuthority, new: CertificateAuthority | None = None) -> None:
        for name, ca in (("old", old), ("new", old if new is None else new)):
            if not isinstance(ca, CertificateAuthority) or ca.parent is not None or ca.root != ca.certificate:
                raise InvalidArgument(name, ca, "a CertificateAuthority that is a root")
        self.old = old
        self.new = old.successor() if new is None else new
        #: The new root, certified by the old one: what peers that trust only the old one need.
        self.new_with_old = old.cross_sign(self.new)
        #: The old root, certified by the new one: what peers that trust only the new one need.
        self.old_with_new = self.new.cross_sign(old)

    @property
    def issuers(self) -> Mapping[LeafKind, CertificateAuthority]:
        """Who issues each kind."""
        return {
            "old": self.old,
            "new": self.new,
            "new-with-cross": self.new_with_old,
            "old-with-cross": self.old_with_new,
        }

    @cached_property
    def clients(self) -> Mapping[LeafKind, Identity]:
        """One client of each kind."""
        return {kind: issuer.issue_client(kind) for kind, issuer in self.issuers.items()}

    @cached_property
    def servers(self) -> Mapping[LeafKind, Identity]:
        """One server of each kind, for localhost."""
        return {kind: issuer.issue_server() for kind, issuer in self.issuers.items()}

    def __iter__(self) -> Iterator[RollOverStep]:
        return map(self.__getitem__, _STEPS)

    def __getitem__(self, name: StepName) -> RollOverStep:
        trust = {"old": (self.old,), "both": (self.old, self.new), "new": (self.new,)}
        if name not in trust:
            raise InvalidArgument("step", name, f"one of {', '.join(map(repr, _STEPS))}")
        return RollOverStep(name, trust[name], self.clients, self.servers)

    def __repr__(self) -> str:
        return f"<TrustRollOver from {self.old.subject} to {self.new.subject}>"
