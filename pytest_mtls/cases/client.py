"""Clients, each bad in one way. A function takes the CA that the server trusts and returns what the client presents.

The verdicts were measured with OpenSSL 3.0; the sections are RFC 5280's unless another RFC is named.
"""

from __future__ import annotations

from pytest_mtls.cases.build import self_signed, stolen, twin
from pytest_mtls.cases.case import case
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.reason import Reason


@case("client", Reason.NO_CERTIFICATE, rfc="RFC 8446 section 4.4.2.4")
def no_certificate(ca: CertificateAuthority) -> None:
    """The client sends an empty certificate list."""


@case("client", Reason.EXPIRED, rfc="section 6.1.3 (a)(2)")
def expired(ca: CertificateAuthority) -> Identity:
    """The validity ended a day ago."""
    return ca.issue_client("expired", not_before=-10, not_after=-1)


@case("client", Reason.NOT_YET_VALID, rfc="section 6.1.3 (a)(2)")
def not_yet_valid(ca: CertificateAuthority) -> Identity:
    """The validity begins tomorrow."""
    return ca.issue_client("not-yet-valid", not_before=1, not_after=10)


@case("client", Reason.SELF_SIGNED, rfc="section 6.1")
def self_signed_certificate(ca: CertificateAuthority) -> Identity:
    """The certificate is signed with its own key."""
    return self_signed(ca.client_profile("self-signed"))


@case("client", Reason.UNKNOWN_CA, rfc="section 6.1")
def untrusted_ca(ca: CertificateAuthority) -> Identity:
    """The certificate comes from a CA of the trusted one's name, with another key."""
    return twin(ca).issue_client("untrusted-ca")


@case("client", Reason.WRONG_PURPOSE, rfc="section 4.2.1.12")
def server_only(ca: CertificateAuthority) -> Identity:
    """The extended key usage is serverAuth alone, as public CAs issue since 2026."""
    return ca.issue_client("server-only", extended_key_usage=("serverAuth",))


@case("client", Reason.REVOKED, requires=("crl",), rfc="section 6.3")
def revoked(ca: CertificateAuthority) -> Identity:
    """The certificate is on the CRL of its CA."""
    identity = ca.issue_client("revoked")
    ca.revoke(identity)
    return identity


@case("client", Reason.POSSESSION_NOT_PROVED, rfc="RFC 8446 section 4.4.3")
def stolen_certificate(ca: CertificateAuthority) -> Identity:
    """The certificate is good, and the client signs with a key that is not its own."""
    return stolen(ca.issue_client("stolen"))
