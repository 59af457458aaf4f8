"""Bad things that several cases are made of."""

from __future__ import annotations

import base64
import textwrap
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind
from pytest_mtls.certificates.profile import CertificateProfile
from pytest_mtls.errors import UnsupportedKeyKind

__all__ = ["self_signed", "stolen", "twin"]


def twin(ca: CertificateAuthority) -> CertificateAuthority:
    """A root CA that says all that a CA says of itself, with another key."""
    return CertificateAuthority.self_signed(CertificateProfile.of(ca.certificate))


def self_signed(profile: CertificateProfile) -> Identity:
    """A leaf certificate that is its own issuer."""
    key = KeyKind.P256.generate()
    certificate = profile.sign(
        key.public_key(), issuer_name=profile.subject, issuer_key=key, issuer_key_identifier=None
    )
    return Identity((certificate,), key)


def stolen(identity: Identity) -> Identity:
    """The same certificates with a private key that is somebody else's, and that still loads beside them.

    OpenSSL compares the public halves alone. An EC private key file (RFC 5915) may name its public point, and is
    believed: this one has a foreign secret number and the victim's public point.

    Raises:
        UnsupportedKeyKind: the certificate's key is not on an elliptic curve.
    """
    victim = identity.certificate.public_key()
    if not isinstance(victim, ec.EllipticCurvePublicKey):
        raise UnsupportedKeyKind(type(victim).__name__, "a stolen certificate needs an elliptic-curve key.")
    thief = ec.generate_private_key(victim.curve)
    mixed = _sec1(thief).replace(_point(thief.public_key()), _point(victim))
    return replace(identity, private_key=None, raw_key_pem=_pem("EC PRIVATE KEY", mixed))


def _sec1(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _pem(label: str, der: bytes) -> bytes:
    """RFC 7468 text, for what `cryptography` would refuse to write."""
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()
