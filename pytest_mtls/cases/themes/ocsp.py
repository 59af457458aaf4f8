"""What an OCSP responder says of a certificate (RFC 6960), or that it says nothing that can be believed.

Each certificate names a responder in its authority information access: that of ``ca.ocsp_url``, at a URL where it always
answers in the way of the case. Where no responder runs, the URL is one at which nobody listens.
"""

from __future__ import annotations

from pytest_mtls.cases.build import authority_name
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.ocsp import OCSPMisbehaviour, misbehaving_url
from pytest_mtls.certificates.profile import authority_profile
from pytest_mtls.certificates.status_urls import status_extensions
from pytest_mtls.reasons.reason import Reason

#: Port 9 is that of the discard protocol (RFC 863), which no machine of today serves.
_NOBODY = "http://127.0.0.1:9/"


def _named(ca: CertificateAuthority, leaf: Leaf, misbehaviour: OCSPMisbehaviour | None) -> Identity:
    """The ordinary certificate, with a responder that answers in one way."""
    root = ca.ocsp_url or _NOBODY
    url = root if misbehaviour is None else misbehaving_url(root, misbehaviour)
    return leaf(ca, extra_extensions=status_extensions(ocsp_urls=[url]))


@case("both", tier=Tier.GOOD, rfc="RFC 6960 section 2.2")
def ocsp_good(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Its OCSP responder says that the certificate is good; a peer that does not ask accepts it as well."""
    return _named(ca, leaf, None)


@case("both", Reason.REVOKED, tier=Tier.SETTING, requires=["ocsp"], rfc="RFC 6960 section 2.2")
def ocsp_revoked(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Its OCSP responder says that the certificate is revoked, and no CRL does."""
    return _named(ca, leaf, "revoked")


@case("both", Reason.REVOKED, tier=Tier.SETTING, requires=["ocsp"], rfc="RFC 6960 section 2.2")
def ocsp_revoked_intermediate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The OCSP responder says that the intermediate CA is revoked, and that the certificate itself is good."""
    url = misbehaving_url(ca.ocsp_url or _NOBODY, "revoked")
    profile = authority_profile(authority_name("CA revoked by OCSP"), path_length=None, ocsp_urls=[url])
    return _named(ca.issue_authority(profile), leaf, None)


@case("both", tier=Tier.SETTING, requires=["ocsp", "ocsp-hard"], rfc="RFC 6960 section 2.2")
def ocsp_unknown(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Its OCSP responder does not know the certificate."""
    return _named(ca, leaf, "unknown")


@case("both", tier=Tier.SETTING, requires=["ocsp", "ocsp-hard"], rfc="RFC 6960 section 3.2 (5) and (6)")
def ocsp_stale(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The answer of its OCSP responder says that it is good, and the time of that answer ended a day ago."""
    return _named(ca, leaf, "stale")


@case("both", tier=Tier.SETTING, requires=["ocsp", "ocsp-hard"], rfc="RFC 6960 section 3.2 (2)")
def ocsp_forged(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The OCSP answer says that it is good, and somebody else signed it in the responder's name."""
    return _named(ca, leaf, "forged")


@case("both", tier=Tier.SETTING, requires=["ocsp", "ocsp-hard"], rfc="RFC 6960 section 4.2.2.2")
def ocsp_of_another_issuer(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The OCSP answer says that it is good, and a CA signed it that did not issue the certificate."""
    return _named(ca, leaf, "of another issuer")


@case("both", tier=Tier.SETTING, requires=["ocsp", "ocsp-hard"], rfc="RFC 6960 section 4.2.2.2")
def ocsp_of_unauthorized_signer(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The OCSP answer says that it is good, and an ordinary client of its CA signed it, which may not do so."""
    return _named(ca, leaf, "of an unauthorized signer")


@case("both", tier=Tier.SETTING, requires=["ocsp", "ocsp-hard"], rfc="RFC 6960 section 3.2 (1)")
def ocsp_of_another_certificate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The OCSP answer says that another certificate of the same CA is good, and nothing of this one."""
    return _named(ca, leaf, "of another certificate")


@case("both", tier=Tier.SETTING, requires=["ocsp", "ocsp-hard"], rfc="RFC 6960 section 2.3")
def ocsp_try_later(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Its OCSP responder cannot answer now; whoever accepts that does so for everybody who can disturb the responder."""
    return _named(ca, leaf, "try later")


@case("both", tier=Tier.SETTING, requires=["ocsp", "ocsp-hard"], rfc="RFC 6960 section 5")
def ocsp_silent(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Its OCSP responder takes the request and never answers."""
    return _named(ca, leaf, "silent")


@case("both", tier=Tier.SETTING, requires=["ocsp", "ocsp-hard"], rfc="RFC 6960 section 5")
def ocsp_unreachable(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Nobody listens where its OCSP responder should be."""
    return leaf(ca, extra_extensions=status_extensions(ocsp_urls=[_NOBODY]))
