"""Good peers that are out of the ordinary, and must be accepted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Literal

from cryptography import x509

from pytest_mtls.cases.build import UNKNOWN_EXTENSION, authority_name, intermediate, subordinate
from pytest_mtls.cases.case import Function, Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.cases.themes.strength import rsa_key
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind
from pytest_mtls.certificates.names import distinguished_name
from pytest_mtls.certificates.profile import CertificateProfile, authority_profile

_END_OF_TIME = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)


def good(
    side: Literal["client", "server", "both"] = "both",
    *,
    rfc: str = "",
    limbo: str | None = None,
    host: str = "localhost",
) -> Callable[[Function], Function]:
    """`case`, for one that must be accepted."""
    return case(side, tier=Tier.GOOD, rfc=rfc, limbo=limbo, host=host)


@good()
def valid(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The ordinary certificate, with a P-256 key."""
    return leaf(ca)


@good()
def valid_p384(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key is on the curve P-384."""
    return leaf(ca, key_kind=KeyKind.P384)


@good()
def valid_rsa_2048(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key is RSA of 2048 bits."""
    return leaf(ca, private_key=rsa_key(2048))


@good()
def valid_rsa_3072(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key is RSA of 3072 bits."""
    return leaf(ca, private_key=rsa_key(3072))


@good()
def valid_ed25519(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key is Ed25519."""
    return leaf(ca, key_kind=KeyKind.ED25519)


@good()
def through_one_intermediate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """One CA stands between the certificate and its root."""
    return leaf(_below(ca, 1))


@good()
def through_two_intermediates(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Two CAs stand between the certificate and its root."""
    return leaf(_below(ca, 2))


@good()
def through_nine_intermediates(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Nine CAs stand between the certificate and its root."""
    return leaf(_below(ca, 9))


@good()
def cross_signed(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The issuer is a root that is unknown here, and that the trusted CA has signed as well."""
    stranger = CertificateAuthority.self_signed(authority_profile(authority_name("cross-signed CA"), path_length=0))
    profile = replace(CertificateProfile.of(stranger.certificate), authority_key_identifier=True)
    return leaf(ca.issue_authority(profile, private_key=stranger.private_key))


@good(rfc="RFC 8446 section 4.4.2")
def chain_shuffled(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediates are sent in the wrong order."""
    identity = leaf(_below(ca, 3))
    return replace(identity, chain=(identity.certificate, *reversed(identity.chain[1:])))


@good(rfc="RFC 8446 section 4.4.2")
def chain_with_duplicates(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Every intermediate is sent twice."""
    identity = leaf(_below(ca, 2))
    return replace(identity, chain=(identity.certificate, *identity.chain[1:], *identity.chain[1:]))


@good(rfc="RFC 8446 section 4.4.2")
def chain_with_extras(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Certificates are sent along that have nothing to do with it."""
    identity, other = leaf(_below(ca, 1)), CertificateAuthority.create("unrelated CA")
    return replace(identity, chain=(*identity.chain, other.certificate))


@good(rfc="RFC 8446 section 4.4.2")
def chain_with_root(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The root is sent along."""
    identity = leaf(_below(ca, 1))
    return replace(identity, chain=(*identity.chain, *((ca.root,) if ca.root else ())))


@good(rfc="section 4.2.1.10", limbo="rfc5280::nc::permitted-dns-match-more")
def name_constraints_kept(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA may issue for some names only, and the certificate keeps to them."""
    middle = intermediate(ca, "constrained CA", permitted=["localhost", "permitted.example"], excluded=["192.0.2.0/24"])
    return leaf(middle, also_named=["www.permitted.example"])


@good(rfc="section 4.2.1.9", limbo="rfc5280::no-basicconstraints")
def no_basic_constraints(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """There are no basicConstraints, which an end entity does not need."""
    return leaf(ca, authority=None)


@good(rfc="section 4.2.1.2")
def no_subject_key_identifier(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate does not identify its own key, which an end entity does not need to."""
    return leaf(ca, subject_key_identifier=False)


@good(rfc="section 4.2.1.9", limbo="pathlen::intermediate-pathlen-may-increase")
def path_length_grows(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A lower CA allows more CAs below it than the one above, whose limit is kept all the same."""
    return leaf(intermediate(intermediate(ca, "upper CA", path_length=1), "lower CA", path_length=2))


@good(rfc="SPIFFE X509-SVID section 2")
def spiffe_id(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """One more alternative name is a SPIFFE ID."""
    return leaf(ca, also_named=["spiffe://mtls.example/service"])


@good(rfc="section 4.2.1.6")
def names_of_every_kind(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The alternative names are DNS names, a wildcard, IP addresses, an e-mail address and a URI."""
    names = (
        "www.mtls.example",
        "*.mtls.example",
        "192.0.2.1",
        "2001:db8::1",
        "alice@mtls.example",
        "https://mtls.example/",
    )
    return leaf(ca, also_named=names)


@good(rfc="section 4.2.1.6")
def critical_names_alone(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The subject is empty, and the alternative names are critical, as they then have to be."""
    return leaf(ca, subject=x509.Name([]), also_named=["www.mtls.example"])


@good(rfc="section 4.1.2.4")
def subject_in_unicode(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The subject is in letters of several scripts."""
    return leaf(ca, subject=distinguished_name("Zoë Łukasz 山田", "Ωmega"))


@good("server", rfc="RFC 9525 section 6.3", limbo="webpki::san::leftmost-wildcard-san", host="www.mtls.example")
def wildcard(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is for all hosts of a domain, of which this is one."""
    return leaf(ca, sans=(x509.DNSName("*.mtls.example"),))


@good("server", rfc="RFC 9525 section 6.3", host="xn--mller-kva.example")
def international_name(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The host's name has an umlaut, and stands in the certificate as RFC 5890 has it."""
    return leaf(ca, also_named=["müller.example"])


@good("server", rfc="RFC 9525 section 6.5", limbo="webpki::san::exact-localhost-ip-san", host="127.0.0.1")
def ip_address(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The host is asked for by its IP address."""
    return leaf(ca)


@good("client", rfc="section 4.2.1.12")
def client_and_server(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The extended key usage is clientAuth and serverAuth."""
    return leaf(ca, extended_key_usage=["clientAuth", "serverAuth"])


@good()
def expires_in_a_minute(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The validity ends in a minute."""
    return leaf(ca, not_after=timedelta(minutes=1))


@good()
def began_a_second_ago(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The validity began two seconds ago."""
    return leaf(ca, not_before=timedelta(seconds=-2))


@good(rfc="section 4.1.2.5.2")
def valid_until_9999(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The validity has no well-defined end, which is written as the last second of the year 9999."""
    return leaf(ca, not_after=_END_OF_TIME)


@good(rfc="section 4.1.2.5", limbo="rfc5280::validity::notbefore-exact")
def began_this_second(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The validity begins in the second in which the certificate is made."""
    return leaf(ca, not_before=timedelta(0))


@good(rfc="section 4.2.1.9", limbo="pathlen::ee-with-intermediate-pathlen-0")
def at_path_length(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate stands below the last CA that the one above allows; an end entity does not count."""
    return leaf(intermediate(intermediate(ca, "upper CA", path_length=1), "last CA", path_length=0))


@good(rfc="section 6.1", limbo="rfc5280::unknown-critical-extension-unrelated-intermediate")
def unknown_critical_extension_beside_chain(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A certificate is sent along that is not part of the chain, and has a critical extension that nobody knows."""
    identity = leaf(_below(ca, 1))
    unrelated = subordinate(ca, extra_extensions=(UNKNOWN_EXTENSION,))
    return replace(identity, chain=(*identity.chain, unrelated.certificate))


@good("server", rfc="RFC 9525 section 6.3", limbo="webpki::san::exact-dns-san", host="www.mtls.example")
def name_beside_wildcard(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The host is among the names, after a wildcard for another domain."""
    return leaf(ca, sans=(x509.DNSName("*.another.example"), x509.DNSName("www.mtls.example")))


def _below(ca: CertificateAuthority, depth: int) -> CertificateAuthority:
    for number in range(depth):
        ca = intermediate(ca, f"intermediate CA {number + 1}", path_length=None)
    return ca
