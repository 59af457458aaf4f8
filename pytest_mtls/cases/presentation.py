"""What a caller may give as one side's identity, and what that side then presents."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Union

from pytest_mtls.cases.behaviour import ClientBehaviour
from pytest_mtls.cases.case import Case
from pytest_mtls.cases.minted import minted_identity
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.errors import AuthorityUsedAsIdentity, CaseOfWrongSide, InvalidArgument
from pytest_mtls.reasons.side import Side

if TYPE_CHECKING:
    import trustme

__all__ = ["PeerArgument", "Presentation", "presented"]


@dataclass(frozen=True)
class Presentation:
    """What one side presents, and how.

    Attributes:
        identity: its certificates and key; None for a client without a certificate.
        tls: the only TLS version over which it can be presented; None for both.
        is_weak: whether it may be too weak for OpenSSL to present it at its ordinary security level.
        case: the case that it is; None if it is none's.
        rewrite: what replaces the body of a client's Certificate message on the wire, if anything does.
        misbehaviour: how a client breaks the handshake's rules; see `pytest_mtls.client.misbehaving`.
    """

    identity: Identity | None
    tls: str | None = None
    is_weak: bool = False
    case: Case | None = None
    rewrite: Callable[[tuple[bytes, ...]], bytes] | None = None
    misbehaviour: str | None = None

    @property
    def name(self) -> str:
        """The id of the case; empty if it is none's."""
        return "" if self.case is None else self.case.id


#: What may stand for what a side presents.
PeerArgument = Union[Identity, Case, Presentation, "trustme.LeafCert"]


def presented(
    value: PeerArgument | None,
    side: Side,
    ca: CertificateAuthority | None,
    minted: str | os.PathLike[str] | None = None,
    *,
    like: Identity | None = None,
) -> Presentation:
    """What one side presents.

    Args:
        value: an `Identity`, a `Case` (which is built now), trustme's LeafCert, or None for a client without a certificate.
        side: which side this is.
        ca: the CA to build a case against.
        minted: a directory of clients that were made beforehand; a case that is among them is not built.
        like: whose names the certificate of a client's case has; its own by default.

    Raises:
        AuthorityUsedAsIdentity: a CA was given.
        CaseOfWrongSide: a client's case was given for a server, or the other way round.
        InvalidArgument: anything else, or a case without a CA that could issue it.
    """
    if isinstance(value, Presentation):
        return value
    if value is None or isinstance(value, Identity):
        return Presentation(value)
    if isinstance(value, Case):
        if value.side != side:
            raise CaseOfWrongSide(value.id, value.side, side)
        misbehaviour = value.behaviour.misbehaviour if isinstance(value.behaviour, ClientBehaviour) else None
        before = None if minted is None else minted_identity(minted, value)
        if before is not None and value.rewrite is None:
            return Presentation(before, value.tls, is_weak=True, case=value, misbehaviour=misbehaviour)
        if ca is None:
            raise InvalidArgument("ca", None, f"a CertificateAuthority with its key, to build case {value.id!r}")
        rewrite = None if value.rewrite is None else partial(value.rewrite, ca)
        return Presentation(
            value.identity(ca, like=like),
            value.tls,
            is_weak=True,
            case=value,
            rewrite=rewrite,
            misbehaviour=misbehaviour,
        )
    if isinstance(value, CertificateAuthority):
        raise AuthorityUsedAsIdentity(value.subject)
    if type(value).__module__.partition(".")[0] == "trustme":
        if hasattr(value, "create_child_ca"):
            raise AuthorityUsedAsIdentity("made by trustme")
        return Presentation(Identity.from_trustme(value))
    raise InvalidArgument(f"the {side}'s certificate", value, "an Identity, a Case, or trustme's LeafCert")
