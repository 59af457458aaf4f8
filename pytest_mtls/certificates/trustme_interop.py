"""CAs to and from `trustme`: the only file that touches what trustme keeps to itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from pytest_mtls.certificates.key import KeyKind, PrivateKey
from pytest_mtls.certificates.profile import check_path_length
from pytest_mtls.errors import UnsupportedKeyKind

if TYPE_CHECKING:
    import trustme

__all__ = ["DEFAULT_PATH_LENGTH", "certificate_and_key", "make_trustme_root", "to_trustme", "trustme_can_make"]

#: How many CAs may follow below a root by default, as with trustme.
DEFAULT_PATH_LENGTH = 9

_KEY_TYPES = {KeyKind.P256: "ECDSA", KeyKind.RSA2048: "RSA"}


def trustme_can_make(kind: KeyKind) -> bool:
    """Whether trustme can make CAs with this kind of key."""
    return kind in _KEY_TYPES


def make_trustme_root(
    kind: KeyKind, organization: str | None, organizational_unit: str | None, path_length: int
) -> trustme.CA:
    """A new root CA; trustme picks a random organizational unit if none is given."""
    import trustme

    check_path_length(path_length)
    return trustme.CA(
        path_length=path_length,
        organization_name=organization,
        organization_unit_name=organizational_unit,
        key_type=trustme.KeyType[_KEY_TYPES[kind]],
    )


def certificate_and_key(ca: trustme.CA) -> tuple[x509.Certificate, PrivateKey]:
    """What is inside a `trustme.CA`; its public attributes have it as PEM only, at twice the cost of making it."""
    return ca._certificate, ca._private_key


def to_trustme(
    certificate: x509.Certificate, key: PrivateKey | None, path_length: int | None, parent: trustme.CA | None
) -> trustme.CA:
    """A `trustme.CA` that issues under this certificate and key.

    Args:
        certificate: the CA's.
        key: the CA's; None for one that only stands above others in their chains.
        path_length: how many CAs it lets follow; None for no limit, which trustme counts as nine.
        parent: the CA above, for the chain.

    Raises:
        UnsupportedKeyKind: trustme signs with RSA and elliptic curve keys only.
    """
    import trustme

    if key is not None and not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey)):
        kind = KeyKind.of(key)
        name = type(key).__name__ if kind is None else kind.value
        raise UnsupportedKeyKind(name, "trustme signs with RSA and elliptic curve keys only.")
    ca: Any = trustme.CA(path_length=DEFAULT_PATH_LENGTH if path_length is None else path_length)
    ca.parent_cert = parent
    ca._certificate = certificate
    ca._private_key = key
    result: trustme.CA = ca
    return result
