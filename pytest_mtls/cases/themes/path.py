"""Path validation: validity, trust, and what stands between a certificate and its root (RFC 5280 section 6)."""

from __future__ import annotations

from datetime import timedelta

from cryptography import x509

from pytest_mtls.cases.build import UNKNOWN_EXTENSION, intermediate, self_signed, subordinate
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.cases.resigned import EMPTY_NAME, ISSUER
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.issuer import Issuer
from pytest_mtls.certificates.key import KeyKind
from pytest_mtls.certificates.names import distinguished_name
from pytest_mtls.certificates.profile import authority_profile
from pytest_mtls.reasons.reason import Reason


@case("client", Reason.NO_CERTIFICATE, rfc="RFC 8446 section 4.4.2.4")
def no_certificate(ca: CertificateAuthority) -> None:
    """The client sends an empty certificate list."""


@case("both", Reason.EXPIRED, rfc="section 6.1.3 (a)(2)", limbo="rfc5280::validity::expired-leaf")
def expired(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The validity ended a day ago."""
    return leaf(ca, not_before=-10, not_after=-1)


@case("both", Reason.EXPIRED, rfc="section 4.1.2.5")
def expired_seconds_ago(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The validity ended two seconds ago."""
    return leaf(ca, not_after=timedelta(seconds=-2))


@case("both", Reason.NOT_YET_VALID, rfc="section 6.1.3 (a)(2)")
def not_yet_valid(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The validity begins tomorrow."""
    return leaf(ca, not_before=1, not_after=10)


@case("both", Reason.NOT_YET_VALID, rfc="section 4.1.2.5")
def validity_reversed(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The validity begins tomorrow and ended yesterday."""
    return leaf(ca, not_before=1, not_after=-1)


@case("both", Reason.SELF_SIGNED, rfc="section 6.1")
def self_signed_certificate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is signed with its own key."""
    return self_signed(leaf.profile())


@case("both", Reason.UNKNOWN_CA, rfc="section 6.1.1 (d)")
def unknown_ca(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate comes from a CA that nobody here knows."""
    return leaf(CertificateAuthority.create("unknown CA"))


@case("both", Reason.UNKNOWN_CA, rfc="section 6.1.1 (d)", limbo="rfc5280::chain-untrusted-root")
def unknown_ca_with_root(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate comes from an unknown CA, whose root certificate is sent along."""
    stranger = CertificateAuthority.create("unknown CA")
    return leaf(stranger, chain=[stranger.certificate])


@case("both", Reason.UNKNOWN_CA, rfc="section 6.1.3 (a)(1)")
def untrusted_ca(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate comes from a CA of the trusted one's name, with another key."""
    return leaf(ca.impostor(), chain=ca.chain)


@case("both", Reason.BAD_SIGNATURE, rfc="section 6.1.3 (a)(1)")
def untrusted_ca_same_key_identifier(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate comes from a CA of the trusted one's name, and claims the trusted one's key identifier too."""
    kind = KeyKind.of(ca.certificate.public_key()) or KeyKind.P256  # by another, the two would not be taken for one
    return leaf(ca.impostor(key_kind=kind), authority_key_identifier=ca.key_identifier, chain=ca.chain)


@case("both", Reason.UNKNOWN_CA, rfc="section 6.1", limbo="webpki::cryptographydotio-chain-missing-intermediate")
def intermediate_missing(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's certificate is not sent."""
    return leaf(intermediate(ca, "intermediate CA"), chain=ca.chain)


@case("both", Reason.UNKNOWN_CA, rfc="section 6.1")
def intermediate_of_another(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Instead of its intermediate CA's certificate, that of another is sent."""
    return leaf(intermediate(ca, "intermediate CA"), chain=[intermediate(ca, "another CA").certificate, *ca.chain])


@case("both", Reason.EXPIRED, rfc="section 6.1.3 (a)(2)", limbo="rfc5280::validity::expired-intermediate")
def intermediate_expired(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's validity ended a day ago."""
    return leaf(intermediate(ca, "expired CA", not_before=-10, not_after=-1))


@case("both", Reason.NOT_YET_VALID, rfc="section 6.1.3 (a)(2)")
def intermediate_not_yet_valid(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's validity begins tomorrow."""
    return leaf(intermediate(ca, "future CA", not_before=1, not_after=10))


@case("both", Reason.INVALID_CA, rfc="section 6.1.4 (k)", limbo="rfc5280::intermediate-ca-without-ca-bit")
def issued_by_leaf(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The issuer is itself an end entity, with basicConstraints CA:FALSE."""
    return leaf(subordinate(ca, authority=False, path_length=None))


@case("both", Reason.INVALID_CA, rfc="section 6.1.4 (k)", limbo="rfc5280::intermediate-ca-missing-basic-constraints")
def issuer_without_basic_constraints(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The issuer's certificate has no basicConstraints."""
    return leaf(subordinate(ca, authority=None, path_length=None))


@case("both", Reason.INVALID_CA, rfc="section 6.1.4 (n)", limbo="rfc5280::ica-ku-keycertsign")
def issuer_without_cert_sign(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The issuer's key usage does not hold keyCertSign."""
    return leaf(subordinate(ca, key_usage=frozenset({"crl_sign"}), path_length=None))


@case(
    "both",
    Reason.PATH_LENGTH_EXCEEDED,
    rfc="section 6.1.4 (l)",
    limbo="pathlen::intermediate-violates-pathlen-0",
)
def path_length_exceeded(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """An intermediate CA stands below one that allows none."""
    return leaf(intermediate(intermediate(ca, "last CA", path_length=0), "one CA too many", path_length=None))


@case("both", Reason.UNKNOWN_CRITICAL_EXTENSION, rfc="section 4.2", limbo="rfc5280::unknown-critical-extension-ee")
def unknown_critical_extension(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A critical extension is one that nobody knows."""
    return leaf(ca, extra_extensions=(UNKNOWN_EXTENSION,))


@case(
    "both",
    Reason.UNKNOWN_CRITICAL_EXTENSION,
    rfc="section 4.2",
    limbo="rfc5280::unknown-critical-extension-intermediate",
)
def unknown_critical_extension_in_intermediate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """A critical extension of the intermediate CA is one that nobody knows."""
    return leaf(subordinate(ca, extra_extensions=(UNKNOWN_EXTENSION,)))


@case("both", Reason.UNKNOWN_CA, rfc="section 4.1.2.4", limbo="rfc5280::ee-empty-issuer")
def empty_issuer(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The issuer's name is empty."""

    def edit(fields: list[bytes]) -> None:
        fields[ISSUER] = EMPTY_NAME

    return leaf(ca, edit=edit)


@case(
    "both",
    Reason.PROFILE_VIOLATED,
    tier=Tier.SETTING,
    requires=["strict"],
    rfc="section 4.2.1.1",
    limbo="rfc5280::aki::leaf-missing-aki",
)
def no_authority_key_identifier(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate does not say which key of its issuer signed it."""
    return leaf(ca, authority_key_identifier=False)


@case(
    "both",
    Reason.PROFILE_VIOLATED,
    tier=Tier.SETTING,
    requires=["strict"],
    rfc="section 4.2.1.1",
    limbo="rfc5280::aki::intermediate-missing-aki",
)
def intermediate_without_authority_key_identifier(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's certificate does not say which key of its issuer signed it."""
    return leaf(subordinate(ca, authority_key_identifier=False))


@case(
    "both",
    Reason.PROFILE_VIOLATED,
    tier=Tier.SETTING,
    requires=["strict"],
    rfc="section 4.2.1.2",
    limbo="rfc5280::ski::intermediate-missing-ski",
)
def intermediate_without_subject_key_identifier(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's certificate does not identify its own key."""
    return leaf(subordinate(ca, subject_key_identifier=False))


@case("both", Reason.PROFILE_VIOLATED, tier=Tier.SETTING, requires=["strict"], rfc="section 4.2.1.9")
def basic_constraints_not_critical(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's basicConstraints are not critical, which they have to be."""
    constraints = x509.BasicConstraints(ca=True, path_length=None)
    extension = x509.Extension(constraints.oid, critical=False, value=constraints)
    return leaf(subordinate(ca, authority=None, extra_extensions=(extension,)))


@case("both", Reason.PROFILE_VIOLATED, tier=Tier.SETTING, requires=["strict"], rfc="section 4.2.1.3")
def intermediate_without_key_usage(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's certificate has no key usage, which a CA's has to have."""
    return leaf(subordinate(ca, key_usage=None))


@case("both", Reason.UNKNOWN_CA, tier=Tier.INFORMATIVE, rfc="section 4.2.1.1")
def wrong_authority_key_identifier(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate claims to be signed with another key than its issuer's."""
    return leaf(ca, authority_key_identifier=bytes(20))


@case("both", Reason.CHAIN_TOO_LONG, tier=Tier.INFORMATIVE, rfc="section 6.1")
def chain_of_120(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Between the certificate and its root are 120 CAs, which share a key so that the chain is made quickly."""
    key = KeyKind.P256.generate()
    issuer: Issuer = ca
    for number in range(120):
        profile = authority_profile(distinguished_name(f"CA {number}"), path_length=None)
        certificate = issuer.issue(profile, private_key=key).certificate
        issuer = Issuer(certificate, key, parent=issuer, files=ca.files)
    return leaf(issuer)


@case("both", Reason.NOT_YET_VALID, rfc="section 4.1.2.5", limbo="rfc5280::validity::not-yet-valid-5-seconds")
def not_yet_valid_for_a_minute(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The validity begins in a minute."""
    return leaf(ca, not_before=timedelta(minutes=1))


@case(
    "both",
    Reason.UNKNOWN_CA,
    tier=Tier.INFORMATIVE,
    rfc="section 6.1.4 (l)",
    limbo="pathlen::self-issued-certs-pathlen",
)
def self_issued_intermediate_at_path_length(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Below a CA that allows none stands its own successor of the same name, which does not count."""
    upper = intermediate(ca, "last CA", path_length=0)
    return leaf(upper.issue_authority(authority_profile(upper.certificate.subject, path_length=0)))


@case("both", tier=Tier.INFORMATIVE, rfc="section 4.2.1.9", limbo="pathlen::validation-ignores-pathlen-in-leaf")
def path_length_in_leaf(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is a CA's with a path length, at the end of a chain, where no path length counts."""
    usage = frozenset({"digital_signature", "key_cert_sign"})
    return leaf(intermediate(ca, "last CA", path_length=0), authority=True, path_length=0, key_usage=usage)
