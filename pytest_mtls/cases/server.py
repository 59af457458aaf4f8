"""Servers, each bad in one way. A function takes the CA that the client trusts and returns what the server presents.

The verdicts were measured with OpenSSL 3.0; the sections are RFC 5280's unless another RFC is named.
"""

from __future__ import annotations

from pytest_mtls.cases.build import self_signed, stolen, twin
from pytest_mtls.cases.case import case
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.reason import Reason


@case("server", Reason.EXPIRED, rfc="section 6.1.3 (a)(2)")
def expired(ca: CertificateAuthority) -> Identity:
    """The validity ended a day ago."""
    return ca.issue_server(not_before=-10, not_after=-1)


@case("server", Reason.NOT_YET_VALID, rfc="section 6.1.3 (a)(2)")
def not_yet_valid(ca: CertificateAuthority) -> Identity:
    """The validity begins tomorrow."""
    return ca.issue_server(not_before=1, not_after=10)


@case("server", Reason.HOSTNAME_MISMATCH, rfc="RFC 9525 section 6")
def wrong_host(ca: CertificateAuthority) -> Identity:
    """The certificate names another host."""
    return ca.issue_server("wrong-host.example")


@case("server", Reason.SELF_SIGNED, rfc="section 6.1")
def self_signed_certificate(ca: CertificateAuthority) -> Identity:
    """The certificate is signed with its own key."""
    return self_signed(ca.server_profile())


@case("server", Reason.UNKNOWN_CA, rfc="section 6.1")
def untrusted_ca(ca: CertificateAuthority) -> Identity:
    """The certificate comes from a CA of the trusted one's name, with another key."""
    return twin(ca).issue_server()


@case("server", Reason.WRONG_PURPOSE, rfc="section 4.2.1.12")
def client_only(ca: CertificateAuthority) -> Identity:
    """The extended key usage is clientAuth alone."""
    return ca.issue_server(extended_key_usage=("clientAuth",))


@case("server", Reason.POSSESSION_NOT_PROVED, rfc="RFC 8446 section 4.4.3")
def stolen_certificate(ca: CertificateAuthority) -> Identity:
    """The certificate is good, and the server signs with a key that is not its own."""
    return stolen(ca.issue_server())
