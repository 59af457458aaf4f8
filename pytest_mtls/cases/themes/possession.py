"""Certificates whose private key is not there: the peer signs the handshake with another (RFC 8446 section 4.4.3).

OpenSSL compares only the public halves when it loads a key, and believes what a key file says of them.
"""

from __future__ import annotations

import base64
import textwrap
from dataclasses import replace

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from pytest_mtls.cases.case import case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.cases.themes.strength import rsa_key
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.der import integer, sequence
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.errors import UnsupportedKeyKind
from pytest_mtls.reasons.reason import Reason


@case("both", Reason.POSSESSION_NOT_PROVED, rfc="RFC 8446 section 4.4.3")
def stolen_certificate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is good, and the peer signs with a key that is not its own."""
    identity = leaf(ca)
    return replace(identity, private_key=None, raw_key_pem=_foreign_key_pem(identity))


@case("both", Reason.POSSESSION_NOT_PROVED, rfc="RFC 8446 section 4.4.3")
def stolen_rsa_certificate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate is good and for an RSA key, and the peer signs with a key that is not its own."""
    identity = leaf(ca, private_key=rsa_key(2048))
    return replace(identity, private_key=None, raw_key_pem=_foreign_key_pem(identity))


def _foreign_key_pem(identity: Identity) -> bytes:
    """A private key that is somebody else's, and that still loads beside a certificate.

    Raises:
        UnsupportedKeyKind: there is no such trick for the certificate's kind of key.
    """
    victim = identity.certificate.public_key()
    if isinstance(victim, ec.EllipticCurvePublicKey):
        return _ec_key_pem(victim)
    if isinstance(victim, rsa.RSAPublicKey):
        return _rsa_key_pem(victim)
    raise UnsupportedKeyKind(type(victim).__name__, "a stolen certificate needs an RSA or elliptic-curve key.")


def _ec_key_pem(victim: ec.EllipticCurvePublicKey) -> bytes:
    """An EC private key (RFC 5915) of a foreign number, with the victim's public point beside it."""
    thief = ec.generate_private_key(victim.curve)
    der = thief.private_bytes(Encoding.DER, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return _pem("EC PRIVATE KEY", der.replace(_point(thief.public_key()), _point(victim)))


def _point(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _rsa_key_pem(victim: rsa.RSAPublicKey) -> bytes:
    """An RSA private key (RFC 8017 appendix A.1.2) of the victim's modulus, and all else from a smaller foreign key."""
    thief = rsa_key(1024).private_numbers()
    public = victim.public_numbers()
    numbers = (0, public.n, public.e, thief.d, thief.p, thief.q, thief.dmp1, thief.dmq1, thief.iqmp)
    return _pem("RSA PRIVATE KEY", sequence(*map(integer, numbers)))


def _pem(label: str, der: bytes) -> bytes:
    """RFC 7468 text, for a key that `cryptography` would reject to write."""
    body = "\n".join(textwrap.wrap(base64.b64encode(der).decode(), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n".encode()
