"""A presented chain as text: a line a certificate, with a mark on the one that is at fault and on its field.

A peer may send anything, so nothing here raises for it: what cannot be read is said to be so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from pytest_mtls.certificates import readable
from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.validity import now
from pytest_mtls.reasons.reason import Reason

__all__ = ["UNREADABLE", "chain_lines", "mark", "moment", "one_line", "parsed", "span", "typed_names"]

#: What reading a certificate may raise: cryptography's complaints, and its remarks where a suite makes errors of them.
UNREADABLE = (*readable.UNREADABLE, Warning)


_Extension = TypeVar("_Extension", bound=x509.ExtensionType)

#: Below this many bits a key is weak (NIST SP 800-131A).
_LEAST_RSA_BITS = 2048
_LEAST_CURVE_BITS = 224
_WEAK_HASHES = ("md5", "sha1")


@dataclass(frozen=True)
class _Presented:
    """One certificate of a chain, and where it stands."""

    certificate: x509.Certificate
    index: int
    is_last: bool
    server_name: str | None


def chain_lines(
    chain: Sequence[bytes], reasons: Sequence[Reason] = (), server_name: str | None = None
) -> Iterator[str]:
    """A line a certificate, with a mark where the reasons are about it.

    Args:
        chain: the certificates as DER, the peer's own first.
        reasons: what the chain was rejected for, or should have been.
        server_name: the name that was asked for.
    """
    for index, der in enumerate(chain):
        try:
            certificate = x509.load_der_x509_certificate(der)
            presented = _Presented(certificate, index, index == len(chain) - 1, server_name)
            marks = [mark for reason in reasons if (mark := _mark(presented, reason))]
            line = one_line("; ".join(_fields(certificate)))
        except UNREADABLE as error:
            yield f"{index}: {len(der)} bytes that are not a certificate ({readable.complaint(error)})"
            continue
        yield f"{index}: {line}" + (f"  <-- {', '.join(marks)}" if marks else "")


def one_line(text: str) -> str:
    """A text of a peer's, such as a name, without the ends of lines that may be in it."""
    return text.replace("\n", "\\n").replace("\r", "\\r")


def parsed(chain: Sequence[bytes]) -> list[x509.Certificate]:
    """The certificates of a chain up to the first one that cannot be read."""
    certificates: list[x509.Certificate] = []
    for der in chain:
        try:
            certificates.append(x509.load_der_x509_certificate(der))
        except UNREADABLE:
            break
    return certificates


def typed_names(certificate: x509.Certificate) -> list[str]:
    """The subject alternative names with their types, such as ``DNS:localhost``; empty if there are none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return []
    return [_typed(name) for name in names]


def _typed(name: x509.GeneralName) -> str:
    return f"{_NAME_TYPES.get(type(name), 'other')}:{getattr(name, 'value', name)}"


#: The types as OpenSSL writes them.
_NAME_TYPES: dict[type[x509.GeneralName], str] = {
    x509.DNSName: "DNS",
    x509.IPAddress: "IP",
    x509.UniformResourceIdentifier: "URI",
    x509.RFC822Name: "email",
    x509.DirectoryName: "DirName",
    x509.RegisteredID: "RID",
}


def moment(when: datetime) -> str:
    """A moment, in UTC, to the second."""
    return f"{when:%Y-%m-%d %H:%M:%S} UTC"


def span(length: timedelta) -> str:
    """A span in its largest unit, e.g. ``1 day``, ``3 hours``."""
    seconds = int(length.total_seconds())
    for unit, size in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= size:
            count = seconds // size
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def _fields(certificate: x509.Certificate) -> Iterator[str]:
    yield describe_name(certificate.subject)
    yield f"issued by {describe_name(certificate.issuer)}"
    yield from _usage(certificate)
    yield from _names(certificate)
    yield f"valid {moment(certificate.not_valid_before_utc)} to {moment(certificate.not_valid_after_utc)}"


def _usage(certificate: x509.Certificate) -> Iterator[str]:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    yield "for " + ", ".join(oid._name if oid._name != "Unknown OID" else oid.dotted_string for oid in usage)


def _names(certificate: x509.Certificate) -> Iterator[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return
    yield "names " + ", ".join(_typed(name) for name in names)


# --- the mark --------------------------------------------------------------------------------------------------------


def mark(
    certificate: x509.Certificate, index: int, is_last: bool, server_name: str | None, reason: Reason
) -> str | None:
    """What is wrong with a certificate of a chain, if it is the one that the reason is about.

    Args:
        certificate: the certificate.
        index: its place in the chain, from 0.
        is_last: whether it is the last one.
        server_name: the name that was asked for.
        reason: why the chain is rejected.
    """
    return _mark(_Presented(certificate, index, is_last, server_name), reason)


def _mark(presented: _Presented, reason: Reason) -> str | None:
    """What is wrong with this certificate, if it is the one that the reason is about."""
    certificate, now_ = presented.certificate, now()
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if reason is Reason.EXPIRED:
        return f"not after {moment(end)}: expired {span(now_ - end)} ago" if end < now_ else None
    if reason is Reason.NOT_YET_VALID:
        return f"not before {moment(start)}: not valid for another {span(start - now_)}" if start > now_ else None
    if reason is Reason.SELF_SIGNED:
        return "issued by itself" if certificate.issuer == certificate.subject else None
    if reason is Reason.UNKNOWN_CA:
        return "no trusted CA has its issuer's name and key" if presented.is_last else None
    if reason in _MARKS_ON_ANY:
        try:
            return _MARKS_ON_ANY[reason](presented)
        except UnsupportedAlgorithm:  # a key or signature of a kind that `cryptography` does not know
            return None
    if presented.index or reason is Reason.UNSPECIFIED:
        return None
    if reason is Reason.HOSTNAME_MISMATCH:
        if f"DNS:{presented.server_name}" in typed_names(certificate):
            return f"{presented.server_name}, which was asked for, is there as a DNS name and not as an IP address"
        return f"none of its names is {presented.server_name}, which was asked for"
    if reason is Reason.REVOKED:
        return f"serial number {certificate.serial_number:x} is revoked, or a CA above it is"
    return _MARKS_ON_LEAF.get(reason)


#: What is wrong with the peer's own certificate.
_MARKS_ON_LEAF = {
    Reason.WRONG_PURPOSE: "its usage is not for this side",
    Reason.POSSESSION_NOT_PROVED: "the peer did not prove that it has the private key",
    Reason.BAD_SIGNATURE: "its signature, or one above it, does not hold",
}


def _weak_key(presented: _Presented) -> str | None:
    key = presented.certificate.public_key()
    if isinstance(key, (rsa.RSAPublicKey, dsa.DSAPublicKey)):
        kind = "RSA" if isinstance(key, rsa.RSAPublicKey) else "DSA"
        return f"its key is {kind} of {key.key_size} bits" if key.key_size < _LEAST_RSA_BITS else None
    if isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < _LEAST_CURVE_BITS:
        return f"its key is on the curve {key.curve.name}"
    return None


def _weak_signature(presented: _Presented) -> str | None:
    used = presented.certificate.signature_hash_algorithm
    return f"signed with {used.name.upper()}" if used is not None and used.name in _WEAK_HASHES else None


def _not_a_ca(presented: _Presented) -> str | None:
    if not presented.index:
        return None
    constraints = _extension(presented.certificate, x509.BasicConstraints)
    if constraints is None:
        return "it issued a certificate, and has no basicConstraints"
    if not constraints.ca:
        return "it issued a certificate, and its basicConstraints say CA:FALSE"
    usage = _extension(presented.certificate, x509.KeyUsage)
    return "it issued a certificate, and its key usage lacks keyCertSign" if usage and not usage.key_cert_sign else None


def _path_length(presented: _Presented) -> str | None:
    constraints = _extension(presented.certificate, x509.BasicConstraints)
    if constraints is None or constraints.path_length is None or constraints.path_length >= presented.index - 1:
        return None
    below = presented.index - 1
    return f"its path length is {constraints.path_length}, and {below} intermediate{'s' * (below > 1)} follow it"


def _constraining(presented: _Presented) -> str | None:
    constraints = _extension(presented.certificate, x509.NameConstraints)
    if constraints is None:
        return None
    permitted = ", ".join(str(getattr(name, "value", name)) for name in constraints.permitted_subtrees or ())
    excluded = ", ".join(str(getattr(name, "value", name)) for name in constraints.excluded_subtrees or ())
    told = [f"permits only {permitted}"] * bool(permitted) + [f"excludes {excluded}"] * bool(excluded)
    return f"its name constraints: {'; '.join(told)}" if told else None


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return None


#: What may be wrong with any certificate of a chain, by looking at it.
_MARKS_ON_ANY = {
    Reason.WEAK_KEY: _weak_key,
    Reason.WEAK_SIGNATURE: _weak_signature,
    Reason.INVALID_CA: _not_a_ca,
    Reason.PATH_LENGTH_EXCEEDED: _path_length,
    Reason.NAME_CONSTRAINT_VIOLATED: _constraining,
}
