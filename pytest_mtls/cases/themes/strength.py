"""Keys and hashes that are too weak, or that few implementations take."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from pytest_mtls.cases.build import authority_name, intermediate
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.cases.resigned import ECDSA_WITH_SHA1, MD5_WITH_RSA, PUBLIC_KEY, SIGNATURE, resign
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.der import OCTET_STRING, element, integer, object_identifier, sequence, take_apart
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.issuer import Issuer
from pytest_mtls.certificates.profile import authority_profile
from pytest_mtls.reasons.reason import Reason


@cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """An RSA key that is made once a process: making one takes a hundred times as long as all else about a certificate."""
    return rsa.generate_private_key(65537, bits)


@case("both", Reason.WEAK_KEY, tier=Tier.SETTING, requires=["level"])
def rsa_1024(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key is RSA of 1024 bits."""
    return leaf(ca, private_key=rsa_key(1024))


@case("both", Reason.WEAK_KEY, tier=Tier.SETTING, requires=["level"])
def rsa_1024_intermediate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's key is RSA of 1024 bits."""
    return leaf(_rsa_intermediate(ca, 1024))


@case("both", Reason.WEAK_SIGNATURE, tier=Tier.SETTING, requires=["level"], rfc="RFC 9155 section 2")
def sha1_signature(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is signed with SHA-1."""
    middle = intermediate(ca, "intermediate CA")
    return _signed_weakly(leaf(middle), middle, ECDSA_WITH_SHA1, hashes.SHA1(), 0)


@case("both", Reason.WEAK_SIGNATURE, tier=Tier.SETTING, requires=["level"], rfc="RFC 9155 section 2")
def sha1_intermediate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's certificate is signed with SHA-1."""
    upper = intermediate(ca, "upper CA")
    return _signed_weakly(leaf(intermediate(upper, "lower CA")), upper, ECDSA_WITH_SHA1, hashes.SHA1(), 1)


@case("both", Reason.WEAK_SIGNATURE, tier=Tier.SETTING, requires=["level"], rfc="RFC 6151 section 2")
def md5_signature(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is signed with MD5."""
    middle = _rsa_intermediate(ca, 2048)
    return _signed_weakly(leaf(middle), middle, MD5_WITH_RSA, hashes.MD5(), 0)


@case("both", Reason.WEAK_SIGNATURE, tier=Tier.SETTING, requires=["level"], rfc="RFC 6151 section 2")
def md5_intermediate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's certificate is signed with MD5."""
    upper = _rsa_intermediate(ca, 2048)
    return _signed_weakly(leaf(intermediate(upper, "lower CA")), upper, MD5_WITH_RSA, hashes.MD5(), 1)


@case(
    "client",
    Reason.WEAK_KEY,
    tier=Tier.SETTING,
    requires=["level"],
    tls="1.2",
    limbo="webpki::forbidden-p192-leaf",
)
def p192(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key is on the curve P-192. TLS 1.3 has no way to present it."""
    return leaf(ca, private_key=ec.generate_private_key(ec.SECP192R1()))


@case("client", Reason.MALFORMED_MESSAGE, tier=Tier.INFORMATIVE, tls="1.2", rfc="RFC 8422 section 5.1.1")
def p224(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key is on the curve P-224. TLS 1.3 has no way to present it."""
    return leaf(ca, private_key=ec.generate_private_key(ec.SECP224R1()))


@case("client", Reason.MALFORMED_MESSAGE, tier=Tier.INFORMATIVE, tls="1.2", rfc="RFC 8422 section 5.1.1")
def secp256k1(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key is on the curve secp256k1. TLS 1.3 has no way to present it."""
    return leaf(ca, private_key=ec.generate_private_key(ec.SECP256K1()))


@case("client", Reason.MALFORMED_MESSAGE, tier=Tier.INFORMATIVE, tls="1.2", rfc="RFC 8422 section 5.1.1")
def brainpool_p256(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key is on the curve brainpoolP256r1, which clients seldom offer. TLS 1.3 names it otherwise (RFC 8734)."""
    return leaf(ca, private_key=ec.generate_private_key(ec.BrainpoolP256R1()))


@case("client", tier=Tier.INFORMATIVE, tls="1.2", rfc="section 4.1.2.7", limbo="webpki::forbidden-dsa-leaf")
def dsa_2048(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key is DSA of 2048 bits. TLS 1.3 has no way to present it."""
    return leaf(ca, private_key=_dsa_parameters().generate_private_key())


@cache
def _dsa_parameters() -> dsa.DSAParameters:
    """Made once a process, as RSA keys are."""
    return dsa.generate_parameters(2048)


def _rsa_intermediate(ca: CertificateAuthority, bits: int) -> CertificateAuthority:
    profile = authority_profile(authority_name("RSA CA"), path_length=None)
    return ca.issue_authority(profile, private_key=rsa_key(bits))


def _signed_weakly(
    identity: Identity, issuer: Issuer, algorithm: bytes, digest: hashes.HashAlgorithm, index: int
) -> Identity:
    def edit(fields: list[bytes]) -> None:
        fields[SIGNATURE] = algorithm

    assert issuer.private_key is not None
    chain = list(identity.chain)
    chain[index] = resign(chain[index], issuer.private_key, edit, digest=digest)
    return replace(identity, chain=tuple(chain))


@case("both", Reason.WEAK_KEY, tier=Tier.SETTING, requires=["level"], limbo="webpki::forbidden-p192-root")
def p192_intermediate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's key is on the curve P-192."""
    profile = authority_profile(authority_name("P-192 CA"), path_length=None)
    return leaf(ca.issue_authority(profile, private_key=ec.generate_private_key(ec.SECP192R1())))


@case("both", tier=Tier.INFORMATIVE, limbo="webpki::forbidden-rsa-key-not-divisible-by-8-in-leaf")
def rsa_2052(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The key is RSA of 2052 bits, which fill no whole number of bytes."""
    return leaf(ca, private_key=rsa_key(2052))


#: The parameters of P-256 (FIPS 186-4 appendix D.1.2.3): prime, coefficients, base point, order; the cofactor is 1.
_P256 = (
    "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
    "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc",
    "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
    (
        "04"
        "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
        "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
    ),
    "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
)


@case(
    "both",
    Reason.WEAK_KEY,
    rfc="RFC 5480 section 2.1.1",
    limbo="webpki::explicit-curve",
)
def explicit_curve_intermediate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's key spells out the parameters of its curve, P-256, instead of naming it."""

    def edit(fields: list[bytes]) -> None:
        prime, a, b, base, order = map(bytes.fromhex, _P256)
        field = sequence(object_identifier("1.2.840.10045.1.1"), integer(int.from_bytes(prime, "big")))
        curve = sequence(element(OCTET_STRING, a), element(OCTET_STRING, b))
        order_ = integer(int.from_bytes(order, "big"))
        parameters = sequence(integer(1), field, curve, element(OCTET_STRING, base), order_, integer(1))
        _, point = take_apart(fields[PUBLIC_KEY])
        fields[PUBLIC_KEY] = sequence(sequence(object_identifier("1.2.840.10045.2.1"), parameters), point)

    middle = intermediate(ca, "CA of an explicit curve")
    assert ca.private_key is not None
    explicit = resign(middle.certificate, ca.private_key, edit)
    return leaf(Issuer(explicit, middle.private_key, parent=ca, files=ca.files))
