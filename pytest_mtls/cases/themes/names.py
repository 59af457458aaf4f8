"""Names: what a server is called (RFC 9525), and subjects and alternative names that are odd."""

from __future__ import annotations

from cryptography import x509

from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.cases.resigned import EMPTY_NAME
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.names import distinguished_name, general_name
from pytest_mtls.reasons.reason import Reason

_SECTION = "RFC 9525 section 6.3"
_SUBJECT_FIELD = 5


def _called(*names: str) -> tuple[x509.GeneralName, ...]:
    """DNS names as they are, sound or not."""
    return tuple(map(x509.DNSName, names))


@case("server", Reason.HOSTNAME_MISMATCH, rfc=_SECTION, limbo="webpki::san::mismatch-domain-san")
def wrong_host(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is for another host."""
    return leaf(ca, sans=_called("wrong-host.example"))


@case("server", Reason.HOSTNAME_MISMATCH, rfc=_SECTION, limbo="webpki::san::mismatch-apex-subdomain-san")
def host_as_subdomain(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is for a subdomain of the host."""
    return leaf(ca, sans=_called("www.localhost"))


@case("server", Reason.HOSTNAME_MISMATCH, rfc=_SECTION)
def host_as_prefix(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is for a name that only begins with the host's."""
    return leaf(ca, sans=_called("localhost.example"))


@case("server", Reason.HOSTNAME_MISMATCH, rfc=_SECTION, limbo="webpki::san::san-wildcard-only")
def wildcard_alone(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is for ``*``."""
    return leaf(ca, sans=_called("*"))


@case("server", Reason.HOSTNAME_MISMATCH, rfc=_SECTION)
def wildcard_of_host(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is for all below the host, and not for the host itself."""
    return leaf(ca, sans=_called("*.localhost"))


@case("server", Reason.HOSTNAME_MISMATCH, rfc=_SECTION, limbo="webpki::san::wildcard-embedded-leftmost-san")
def wildcard_partial(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The wildcard stands for a part of a label."""
    return leaf(ca, sans=_called("local*"))


@case("server", Reason.HOSTNAME_MISMATCH, rfc=_SECTION)
def wildcard_inside_label(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The wildcard stands in the middle of a label."""
    return leaf(ca, sans=_called("lo*st"))


@case(
    "server",
    Reason.HOSTNAME_MISMATCH,
    rfc=_SECTION,
    host="a.b.mtls.example",
    limbo="webpki::san::wildcard-match-across-labels-san",
)
def wildcard_over_two_labels(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The wildcard would have to stand for two labels."""
    return leaf(ca, sans=_called("*.mtls.example"))


@case(
    "server",
    Reason.HOSTNAME_MISMATCH,
    rfc=_SECTION,
    host="a.b.mtls.example",
    limbo="webpki::san::wildcard-not-in-leftmost-san",
)
def wildcard_not_leftmost(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The wildcard is not the left-most label."""
    return leaf(ca, sans=_called("a.*.mtls.example"))


@case("server", Reason.HOSTNAME_MISMATCH, rfc=_SECTION, host="a.b.mtls.example")
def wildcard_twice(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Two labels are wildcards."""
    return leaf(ca, sans=_called("*.*.mtls.example"))


@case(
    "server",
    Reason.HOSTNAME_MISMATCH,
    tier=Tier.INFORMATIVE,
    rfc=_SECTION,
    limbo="webpki::san::public-suffix-wildcard-san",
    host="mtls.example",
)
def wildcard_of_top_level_domain(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is for all hosts of a top-level domain."""
    return leaf(ca, sans=_called("*.example"))


@case(
    "server",
    tier=Tier.INFORMATIVE,
    rfc=_SECTION,
    limbo="webpki::san::public-suffix-multi-label-wildcard-san",
    host="mtls.co.uk",
)
def wildcard_of_public_suffix(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is for all hosts of ``co.uk``, below which strangers register theirs; only a list of such names tells."""
    return leaf(ca, sans=_called("*.co.uk"))


@case(
    "server",
    Reason.HOSTNAME_MISMATCH,
    rfc=_SECTION,
    limbo="webpki::san::wildcard-embedded-ulabel-san",
    host="xn--bliss-1b3c148a.mtls.example",
)
def wildcard_inside_international_label(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The wildcard stands in the middle of a label that is in the encoding of international names."""
    return leaf(ca, sans=_called("xn--*-1b3c148a.mtls.example"))


@case("server", Reason.HOSTNAME_MISMATCH, rfc="RFC 9525 section 6.5", host="127.0.0.1")
def wrong_ip_address(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is for another IP address."""
    return leaf(ca, sans=(*_called("localhost"), general_name("192.0.2.1")))


@case(
    "server",
    Reason.HOSTNAME_MISMATCH,
    rfc="RFC 9525 section 6.5",
    limbo="rfc5280::san::ip-in-dns",
    host="127.0.0.1",
)
def ip_address_as_dns_name(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The IP address is written as a DNS name."""
    return leaf(ca, sans=_called("127.0.0.1"))


@case("server", Reason.HOSTNAME_MISMATCH, rfc=_SECTION)
def host_as_email_address(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The host stands only in an e-mail address, not in a DNS name."""
    return leaf(ca, sans=(x509.RFC822Name("localhost"), *_called("wrong-host.example")))


@case("server", Reason.HOSTNAME_MISMATCH, rfc=_SECTION)
def host_as_uri(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The host stands only in a URI, not in a DNS name."""
    return leaf(ca, sans=(x509.UniformResourceIdentifier("https://localhost/"), *_called("wrong-host.example")))


@case("server", Reason.HOSTNAME_MISMATCH, rfc="CVE-2009-2408")
def nul_in_name(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """After the host a NUL byte and another domain follow, which once fooled many."""
    return leaf(ca, sans=_called("localhost\0.wrong-host.example"))


@case("server", Reason.HOSTNAME_MISMATCH, rfc="RFC 9525 section 6.3", host="xn--mller-kva.example")
def homograph(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is for an international name that only looks like the host's."""
    return leaf(ca, sans=_called("muller.example"))


@case("server", Reason.HOSTNAME_MISMATCH, rfc="RFC 9525 section 6.3")
def common_name_beside_other_names(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The host is the common name, and the alternative names are of another."""
    return leaf(ca, subject=distinguished_name("localhost"), sans=_called("wrong-host.example"))


@case("server", Reason.HOSTNAME_MISMATCH, tier=Tier.INFORMATIVE, rfc="RFC 9525 section 2", limbo="webpki::san::no-san")
def common_name_only(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The host is the common name, and there are no alternative names."""
    return leaf(ca, subject=distinguished_name("localhost"), sans=())


@case("client", tier=Tier.INFORMATIVE, rfc="section 4.2.1.6")
def no_alternative_name(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """There is no subject alternative name, as in many client certificates."""
    return leaf(ca, sans=())


@case(
    "both",
    Reason.PROFILE_VIOLATED,
    tier=Tier.SETTING,
    requires=["strict"],
    rfc="section 4.2.1.6",
    limbo="rfc5280::san::noncritical-with-empty-subject",
)
def empty_subject(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The subject is empty, and the alternative names, which then are all there is, are not critical."""

    def edit(fields: list[bytes]) -> None:
        fields[_SUBJECT_FIELD] = EMPTY_NAME

    return leaf(ca, edit=edit, also_named=["client.example"])


@case("client", tier=Tier.INFORMATIVE, rfc="SPIFFE X509-SVID section 2")
def two_spiffe_ids(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """There are two SPIFFE IDs, of which an authorizer has to reject both."""
    return leaf(ca, also_named=["spiffe://mtls.example/one", "spiffe://mtls.example/two"])


@case("client", tier=Tier.INFORMATIVE, rfc="SPIFFE X509-SVID section 5")
def spiffe_id_of_another_trust_domain(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The SPIFFE ID is of another trust domain, which an authorizer has to reject."""
    return leaf(ca, also_named=["spiffe://another.example/service"])


@case("client", tier=Tier.INFORMATIVE, rfc="section 4.1.2.6")
def another_common_name(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The common name is somebody else's, which an authorizer has to reject."""
    return leaf(ca, subject=distinguished_name("somebody else"))


@case("client", tier=Tier.INFORMATIVE, rfc="section 4.1.2.6")
def another_organizational_unit(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The organizational unit is another one, which an authorizer by unit has to reject."""
    return leaf(ca, subject=distinguished_name("client", organizational_unit="another unit"))


@case("client", tier=Tier.INFORMATIVE, rfc="section 4.2.1.6")
def another_dns_name(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The DNS name is another client's, which an authorizer by DNS name has to reject."""
    return leaf(ca, also_named=["another.mtls.example"])


@case("client", tier=Tier.INFORMATIVE, rfc="section 4.2.1.6")
def another_ip_address(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The IP address is not the one that the client comes from."""
    return leaf(ca, also_named=["192.0.2.1"])


@case("client", tier=Tier.INFORMATIVE, rfc="RFC 7858 section 4.2")
def another_key(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The name is that of an ordinary client and the key is new, which an authorizer by key pin has to reject."""
    return leaf(ca, subject=distinguished_name("client"))


@case("client", Reason.PROFILE_VIOLATED, tier=Tier.SETTING, requires=["strict"], rfc="section 4.2.1.6")
def empty_alternative_names(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The subject alternative name is there, and holds no name."""
    names = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"\x30\x00")
    return leaf(ca, also_named=(), extra_extensions=(x509.Extension(names.oid, critical=False, value=names),))
