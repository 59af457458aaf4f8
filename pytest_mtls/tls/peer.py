"""What a caller may give as one side's identity, and what that side then presents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Union

from pytest_mtls.cases.case import Case
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.errors import AuthorityUsedAsIdentity, CaseOfWrongSide, InvalidArgument
from pytest_mtls.tls.transcript import Side

if TYPE_CHECKING:
    import trustme

__all__ = ["PeerArgument", "presented"]

#: What may stand for what a side presents.
PeerArgument = Union[Identity, Case, "trustme.LeafCert"]


def presented(value: PeerArgument | None, side: Side, ca: CertificateAuthority | None) -> Identity | None:
    """The identity that one side presents; None for a client without a certificate.

    Args:
        value: an `Identity`, a `Case` (which is built now), or trustme's LeafCert.
        side: which side this is.
        ca: the CA to build a case against.

    Raises:
        AuthorityUsedAsIdentity: a CA was given.
        CaseOfWrongSide: a client's case was given for a server, or the other way round.
        InvalidArgument: anything else, or a case without a CA that could issue it.
    """
    if value is None or isinstance(value, Identity):
        return value
    if isinstance(value, Case):
        if value.side != side:
            raise CaseOfWrongSide(value.id, value.side, side)
        if ca is None:
            raise InvalidArgument("ca", None, f"a CertificateAuthority with its key, to build case {value.id!r}")
        return value.identity(ca)
    if isinstance(value, CertificateAuthority):
        raise AuthorityUsedAsIdentity(value.subject)
    module, _, _ = type(value).__module__.partition(".")
    if module == "trustme" and hasattr(value, "create_child_ca"):
        raise AuthorityUsedAsIdentity("made by trustme")
    if module == "trustme":
        return Identity.from_trustme(value)
    raise InvalidArgument(f"the {side}'s certificate", value, "an Identity, a Case, or trustme's LeafCert")
