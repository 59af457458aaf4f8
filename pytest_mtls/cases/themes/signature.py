"""Signatures of certificates that do not hold (RFC 5280 section 6.1.3 (a)(1))."""

from __future__ import annotations

from dataclasses import replace

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.cases.build import authority_name, intermediate
from pytest_mtls.cases.case import case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.cases.resigned import ECDSA_WITH_SHA256, ECDSA_WITH_SHA384, SERIAL, assemble
from pytest_mtls.cases.themes.strength import rsa_key
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.der import element, take_apart
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.issuer import Issuer
from pytest_mtls.certificates.key import KeyKind
from pytest_mtls.certificates.profile import authority_profile
from pytest_mtls.reasons.reason import Reason

_SECTION = "section 6.1.3 (a)(1)"


@case("both", Reason.BAD_SIGNATURE, rfc=_SECTION)
def content_forged(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The serial number was changed after the certificate was signed."""
    return _forged(leaf(ca), 0)


@case("both", Reason.BAD_SIGNATURE, rfc=_SECTION)
def intermediate_forged(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The intermediate CA's serial number was changed after its certificate was signed."""
    return _forged(leaf(intermediate(ca, "forged CA")), 1)


@case("both", Reason.BAD_SIGNATURE, rfc=_SECTION)
def signature_bit_flipped(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """One bit of the signature is wrong."""
    identity = leaf(ca)
    signature = bytearray(identity.certificate.signature)
    signature[-1] ^= 1
    return _with_signature(identity, bytes(signature))


@case("both", Reason.BAD_SIGNATURE, rfc="CVE-2022-21449")
def signature_of_zeros(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Both numbers of the ECDSA signature are zero, which once fooled Java."""
    return _with_signature(leaf(ca), bytes.fromhex("3006020100020100"))


@case("both", Reason.BAD_SIGNATURE, rfc="section 4.1.1.2", limbo="rfc5280::mismatching-signature-algorithm")
def signature_algorithms_differ(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate names another signature algorithm than the signed part in it."""
    identity = leaf(ca)
    tbs, algorithm, _ = take_apart(identity.certificate.public_bytes(Encoding.DER))
    other = ECDSA_WITH_SHA256 if algorithm == ECDSA_WITH_SHA384 else ECDSA_WITH_SHA384
    return _with(identity, 0, assemble(tbs, other, identity.certificate.signature))


def _forged(identity: Identity, index: int) -> Identity:
    certificate = identity.chain[index]
    fields = take_apart(certificate.tbs_certificate_bytes)
    fields[SERIAL] = element(0x02, b"\x2a" * 16)
    _, algorithm, _ = take_apart(certificate.public_bytes(Encoding.DER))
    forged = assemble(element(0x30, b"".join(fields)), algorithm, certificate.signature)
    return _with(identity, index, forged)


def _with_signature(identity: Identity, signature: bytes) -> Identity:
    tbs, algorithm, _ = take_apart(identity.certificate.public_bytes(Encoding.DER))
    return _with(identity, 0, assemble(tbs, algorithm, signature))


def _with(identity: Identity, index: int, certificate: x509.Certificate) -> Identity:
    chain = list(identity.chain)
    chain[index] = certificate
    return replace(identity, chain=tuple(chain))


@case("both", Reason.UNKNOWN_CA, rfc=_SECTION, limbo="invalid::invalid-issuer-key")
def issuer_key_of_another_kind(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is signed with ECDSA, and the key of its issuer is RSA: no such issuer can have signed it."""
    profile = authority_profile(authority_name("RSA CA"), path_length=None)
    middle = ca.issue_authority(profile, private_key=rsa_key(2048))
    return leaf(Issuer(middle.certificate, KeyKind.P256.generate(), parent=ca, files=ca.files))
