"""What a certificate is for: extended key usage, key usage, and CA certificates used as an end entity's."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pytest_mtls.cases.build import raw_extension, subordinate
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.profile import extended_key_usages
from pytest_mtls.reasons.reason import Reason


@case("client", Reason.WRONG_PURPOSE, rfc="section 4.2.1.12")
def server_only(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The extended key usage is only serverAuth, as public CAs issue since 2026."""
    return leaf(ca, extended_key_usage=["serverAuth"])


@case("server", Reason.WRONG_PURPOSE, rfc="section 4.2.1.12", limbo="rfc5280::eku::ee-wrong-eku")
def client_only(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The extended key usage is only clientAuth."""
    return leaf(ca, extended_key_usage=["clientAuth"])


@case("both", Reason.WRONG_PURPOSE, rfc="section 4.2.1.12")
def email_only(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The extended key usage is only emailProtection."""
    return leaf(ca, extended_key_usage=["emailProtection"])


@case("both", Reason.WRONG_PURPOSE, rfc="section 4.2.1.12")
def code_signing_only(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The extended key usage is only codeSigning."""
    return leaf(ca, extended_key_usage=["codeSigning"])


@case("both", Reason.WRONG_PURPOSE, rfc="section 4.2.1.12")
def intermediate_for_the_other_side(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's extended key usage is that of the other side alone."""
    other = "serverAuth" if leaf.side == "client" else "clientAuth"
    return leaf(subordinate(ca, extended_key_usage=extended_key_usages([other])))


@case("both", Reason.WRONG_PURPOSE, tier=Tier.INFORMATIVE, rfc="section 4.2.1.12")
def any_usage_only(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The extended key usage is only anyExtendedKeyUsage."""
    return leaf(ca, extended_key_usage=["anyExtendedKeyUsage"])


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.2.1.12", limbo="rfc5280::eku::ee-without-eku")
def no_extended_key_usage(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """There is no extended key usage, which means any."""
    return leaf(ca, extended_key_usage=None)


@case("client", Reason.WRONG_PURPOSE, tier=Tier.SETTING, requires=["usage"], rfc="section 4.2.1.3")
def key_encipherment_only(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key usage is only keyEncipherment, and a client's key has to sign."""
    return leaf(ca, key_usage=frozenset({"key_encipherment"}))


@case("server", tier=Tier.INFORMATIVE, rfc="section 4.2.1.3", id="key-encipherment-only")
def server_key_encipherment_only(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key usage is only keyEncipherment, though the key signs."""
    return leaf(ca, key_usage=frozenset({"key_encipherment"}))


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.2.1.3")
def key_agreement_only(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key usage is only keyAgreement."""
    return leaf(ca, key_usage=frozenset({"key_agreement"}))


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.2.1.3", limbo="rfc5280::no-keyusage")
def no_key_usage(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """There is no key usage, which means any."""
    return leaf(ca, key_usage=None)


@case(
    "both",
    Reason.PROFILE_VIOLATED,
    tier=Tier.SETTING,
    requires=["strict"],
    rfc="section 4.2.1.9",
    limbo="rfc5280::leaf-ku-keycertsign",
)
def cert_sign_without_ca(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key usage holds keyCertSign, and the certificate is not a CA's."""
    return leaf(ca, key_usage=frozenset({"digital_signature", "key_cert_sign"}))


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.2.1.9")
def ca_bit_on_leaf(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate says CA:TRUE, and its key usage lets it sign as an end entity too."""
    return leaf(ca, authority=True, key_usage=frozenset({"digital_signature", "key_cert_sign", "crl_sign"}))


@case(
    "client",
    Reason.WRONG_PURPOSE,
    tier=Tier.SETTING,
    requires=["usage"],
    rfc="section 4.2.1.3",
    limbo="rfc5280::ca-as-leaf",
)
def ca_certificate_as_leaf(ca: CertificateAuthority) -> Identity:
    """An intermediate CA presents its own certificate, which is only for signing certificates."""
    middle = subordinate(ca)
    return Identity(middle.chain, middle.private_key, ca.root, ca.files)


@case("client", Reason.WRONG_PURPOSE, tier=Tier.SETTING, requires=["usage"], rfc="section 4.2.1.3")
def ca_bit_without_digital_signature(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate says CA:TRUE, and its key usage is only keyCertSign."""
    return leaf(ca, authority=True, key_usage=frozenset({"key_cert_sign"}))


@case("client", tier=Tier.INFORMATIVE, rfc="section 4.2.1.3")
def root_certificate_as_leaf(ca: CertificateAuthority) -> Identity:
    """The trusted CA presents its own certificate, whose key usage may allow that."""
    return Identity((ca.certificate, *ca.chain[1:]), ca.private_key, ca.root, ca.files)


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.2.1.9", limbo="webpki::ee-basicconstraints-ca")
def ca_bit_without_cert_sign(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate says CA:TRUE, and its key usage is only digitalSignature."""
    return leaf(ca, authority=True)


@case("both", Reason.WRONG_PURPOSE, tier=Tier.INFORMATIVE, rfc="section 4.2.1.12", limbo="rfc5280::eku::ee-eku-empty")
def empty_extended_key_usage(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The extended key usage is there, and holds none; it has to hold one at least."""
    usage = raw_extension(x509.ExtendedKeyUsage.oid, b"\x30\x00")
    return leaf(ca, extended_key_usage=None, extra_extensions=(usage,))


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.2.1.12", limbo="webpki::eku::ee-critical-eku")
def critical_extended_key_usage(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The extended key usage is critical, as RFC 5280 allows and the profile of the web does not."""
    wanted = ExtendedKeyUsageOID.CLIENT_AUTH if leaf.side == "client" else ExtendedKeyUsageOID.SERVER_AUTH
    usage = x509.ExtendedKeyUsage([wanted])
    extension = x509.Extension(usage.oid, critical=True, value=usage)
    return leaf(ca, extended_key_usage=None, extra_extensions=(extension,))
