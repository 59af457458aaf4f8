"""A chain of certificates as plain data, with the faulty field marked: for reports, and for what is compared with later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from pytest_mtls.certificates.names import describe_general_name, describe_name
from pytest_mtls.certificates.readable import complaint
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.verdict.chain import UNREADABLE, mark

__all__ = ["chain_facts"]

#: How much of what a peer sent is told: certificates of a chain, names of a certificate.
_MOST_CERTIFICATES = 12
_MOST_NAMES = 12

#: The field that each reason is about; the subject for all others.
_FIELDS: Mapping[Reason, str] = {
    Reason.EXPIRED: "not_after",
    Reason.NOT_YET_VALID: "not_before",
    Reason.UNKNOWN_CA: "issuer",
    Reason.SELF_SIGNED: "issuer",
    Reason.INVALID_CA: "issuer",
    Reason.HOSTNAME_MISMATCH: "names",
    Reason.NAME_CONSTRAINT_VIOLATED: "names",
    Reason.REVOKED: "serial",
    Reason.WRONG_PURPOSE: "usage",
    Reason.BAD_SIGNATURE: "signature",
    Reason.WEAK_SIGNATURE: "signature",
    Reason.WEAK_KEY: "key",
    Reason.POSSESSION_NOT_PROVED: "key",
}


def chain_facts(
    chain: Sequence[bytes], reasons: Sequence[Reason] = (), server_name: str | None = None
) -> list[dict[str, Any]]:
    """A chain as plain data, its own certificate first.

    Args:
        chain: the certificates, DER.
        reasons: why it was rejected, or should have been: the fields that they are about are marked.
        server_name: the name that was asked for.
    """
    told = chain[:_MOST_CERTIFICATES]
    facts = [_certificate(der, index, index == len(chain) - 1, reasons, server_name) for index, der in enumerate(told)]
    if len(chain) > len(told):
        facts.append({"unreadable": f"{len(chain) - len(told)} more certificates"})
    return facts


def _certificate(
    der: bytes, index: int, is_last: bool, reasons: Sequence[Reason], server_name: str | None
) -> dict[str, Any]:
    try:
        certificate = x509.load_der_x509_certificate(der)
    except UNREADABLE as error:
        return {"unreadable": f"{len(der)} bytes that are no certificate ({complaint(error)})"}
    facts = {name: value for name, read in _READERS.items() if (value := _readable(read, certificate)) is not None}
    facts["sha256"] = _sha256(der)
    for reason in reasons:
        try:
            words = mark(certificate, index, is_last, server_name, reason)
        except UNREADABLE:
            continue
        if words is not None:
            field = _FIELDS.get(reason, "subject")
            facts["mark"] = {"field": field if field in facts else "subject", "text": words}
            break
    return facts


def _readable(read: Callable[[x509.Certificate], Any], certificate: x509.Certificate) -> Any:
    """A field, or what cannot be read in it."""
    try:
        return read(certificate)
    except UNREADABLE as error:
        return f"cannot be read ({complaint(error)})"


def _sha256(der: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(der)
    return digest.finalize().hex()


def _names(certificate: x509.Certificate) -> str | None:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None
    told = [describe_general_name(name) for _, name in zip(range(_MOST_NAMES), names, strict=False)]
    more = len(list(names)) - len(told)
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")


def _usage(certificate: x509.Certificate) -> str | None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return ", ".join(oid._name if oid._name != "Unknown OID" else oid.dotted_string for oid in usage)


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, (rsa.RSAPublicKey, dsa.DSAPublicKey)):
        return f"{'RSA' if isinstance(key, rsa.RSAPublicKey) else 'DSA'} {key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return f"EC {key.curve.name}"
    return type(key).__name__.removeprefix("_").removesuffix("PublicKey")


_READERS: Mapping[str, Callable[[x509.Certificate], str | None]] = {
    "subject": lambda certificate: describe_name(certificate.subject),
    "issuer": lambda certificate: describe_name(certificate.issuer),
    "names": _names,
    "usage": _usage,
    "serial": lambda certificate: f"{certificate.serial_number:x}",
    "not_before": lambda certificate: f"{certificate.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}",
    "not_after": lambda certificate: f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
    "key": _key,
    "signature": lambda certificate: certificate.signature_algorithm_oid._name,
}
