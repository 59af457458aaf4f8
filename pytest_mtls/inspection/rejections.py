"""What a peer would reject a chain for: by rules that name the certificate and the field, and by OpenSSL itself.

The rules are for what people meet, and find everything at once; OpenSSL knows all, and stops at the first.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from pytest_mtls.certificates.loading import is_self_issued
from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.validity import now
from pytest_mtls.inspection.belonging import Collection, extension, is_ca
from pytest_mtls.inspection.found import describe_key
from pytest_mtls.inspection.verification import Ruling, verify
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import Side
from pytest_mtls.verdict.chain import UNREADABLE, moment, span
from pytest_mtls.verdict.diagnosis.causes import CAUSES

__all__ = ["Assessment", "Rejection", "assess"]

_PURPOSE = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
_PURPOSE_NAMES = {"server": "serverAuth", "client": "clientAuth"}
_WEAK_HASHES = ("md5", "sha1")
#: What OpenSSL's security level 2 asks for: 112 bits (SSL_CTX_set_security_level).
_RSA_BITS, _EC_BITS = 2048, 224

_EVERYBODY = "every peer"
_LEVEL = "peers at OpenSSL's security level 2, which is the default, and most others"


@dataclass(frozen=True)
class Rejection:
    """One thing for which a peer rejects a chain.

    Attributes:
        reason: what for.
        subject: the certificate that it is about.
        words: what is wrong.
        by: who rejects it.
        remedy: what to do.
    """

    reason: Reason
    subject: str
    words: str
    by: str
    remedy: str


@dataclass(frozen=True)
class Assessment:
    """What becomes of one certificate in one role.

    Attributes:
        certificate: the certificate.
        side: the side that presents it.
        rejections: what it is rejected for; empty if it is taken.
        openssl: what OpenSSL says; None if there is nothing that it could trust.
        trusted: what the peer is taken to trust.
    """

    certificate: x509.Certificate
    side: Side
    rejections: tuple[Rejection, ...]
    openssl: Ruling
    trusted: str


def assess(collection: Collection, certificate: x509.Certificate, side: Side, server_name: str | None) -> Assessment:
    """What a peer would reject this certificate for, presented with the others that were found.

    Args:
        collection: all that was found.
        certificate: the one that is presented.
        side: the side that presents it.
        server_name: the name by which a server is asked for, if it is known.
    """
    path = collection.path(certificate)
    anchors, trusted = _anchors(collection, path)
    rejections = list(_by_rules(collection, path, side))
    sent = [certificate, *(one for one in collection.places if one != certificate and one not in anchors)]
    name = server_name if side == "server" else None
    ruling = verify(sent, side, anchors, server_name=name, crls=_crls(collection, path))
    if ruling.reason is not None and not any(_explains(one.reason, ruling.reason) for one in rejections):
        rejections.append(_by_openssl(ruling, certificate, f"OpenSSL {_version()}, and others by the same rule"))
    elif ruling.reason is None:
        strict = verify(sent, side, anchors, server_name=name, strict=True)
        if strict.reason is not None:
            strictly = "peers that verify strictly (RFC 5280's profile), as Python 3.13 and later does"
            rejections.append(_by_openssl(strict, certificate, strictly))
    return Assessment(certificate, side, tuple(rejections), ruling, trusted)


def _version() -> str:
    return ssl.OPENSSL_VERSION.split()[1]


def _explains(found: Reason, openssl: Reason) -> bool:
    """Whether a rule has found what OpenSSL stops at."""
    return found is openssl or {found, openssl} <= {Reason.SELF_SIGNED, Reason.UNKNOWN_CA}


def _by_openssl(ruling: Ruling, certificate: x509.Certificate, by: str) -> Rejection:
    assert ruling.reason is not None
    return Rejection(ruling.reason, describe_name(certificate.subject), ruling.words, by, _remedy(ruling.reason))


def _anchors(collection: Collection, path: Sequence[x509.Certificate]) -> tuple[Sequence[x509.Certificate], str]:
    """What the peer is taken to trust, and that in words."""
    if collection.trusted:
        return collection.trusted, "what --ca names"
    top = path[-1]
    if top in collection.anchors:
        return [top], describe_name(top.subject)
    if len(path) == 1:
        return [top], "the certificate itself" if is_self_issued(top) else f"its issuer, {describe_name(top.issuer)}"
    return [top], f"{describe_name(top.subject)}, or {describe_name(top.issuer)} above it"


def _crls(collection: Collection, path: Sequence[x509.Certificate]) -> Sequence[x509.CertificateRevocationList]:
    """The CRLs, if there is one of each CA in the path: OpenSSL rejects a chain otherwise."""
    issuers = {crl.issuer for crl in collection.crls}
    return collection.crls if all(one.issuer in issuers for one in path) else ()


def _remedy(reason: Reason) -> str:
    cause, remedy = CAUSES.get(reason, ("its like is rejected by every TLS library.", None))
    return remedy or f"{cause[:1].upper()}{cause[1:]}"


# --- rules -----------------------------------------------------------------------------------------------------------


def _by_rules(collection: Collection, path: Sequence[x509.Certificate], side: Side) -> Iterator[Rejection]:
    leaf, *issuers = path
    for one in path:
        yield from _validity(one)
    yield from _purpose(leaf, side)
    for one in issuers:
        if not is_self_issued(one):
            yield from _purpose_of_issuer(one, side)
    for one in path:
        yield from _weak_key(one)
        if not is_self_issued(one):
            yield from _weak_signature(one)
    if side == "server":
        yield from _names(leaf)
    yield from _trust(collection, path)


def _validity(one: x509.Certificate) -> Iterator[Rejection]:
    start, end, present = one.not_valid_before_utc, one.not_valid_after_utc, now()
    name = describe_name(one.subject)
    if end < present:
        words = f"not after {moment(end)}: expired {span(present - end)} ago"
        yield Rejection(Reason.EXPIRED, name, words, _EVERYBODY, _remedy(Reason.EXPIRED))
    if start > present:
        words = f"not before {moment(start)}: not valid for another {span(start - present)}"
        yield Rejection(Reason.NOT_YET_VALID, name, words, _EVERYBODY, _remedy(Reason.NOT_YET_VALID))


def _purpose(leaf: x509.Certificate, side: Side) -> Iterator[Rejection]:
    name = describe_name(leaf.subject)
    usages = extension(leaf, x509.ExtendedKeyUsage)
    if usages is not None and _PURPOSE[side] not in usages:
        words = f"its extended key usage is {_usages(usages)}, and not {_PURPOSE_NAMES[side]}"
        remedy = f"Issue one with {_PURPOSE_NAMES[side]} for a {side}"
        if side == "client":
            remedy += "; public CAs issue only for serverAuth since 2026"
        yield Rejection(Reason.WRONG_PURPOSE, name, words, _EVERYBODY, f"{remedy}.")
    usage = extension(leaf, x509.KeyUsage)
    if usage is not None and not usage.digital_signature:
        words = "its key usage does not hold digitalSignature, and a peer signs the handshake with its key"
        remedy = "Issue one with digitalSignature."
        yield Rejection(Reason.WRONG_PURPOSE, name, words, "peers that check the key usage, in TLS 1.3", remedy)


def _purpose_of_issuer(one: x509.Certificate, side: Side) -> Iterator[Rejection]:
    usages = extension(one, x509.ExtendedKeyUsage)
    allowed = {_PURPOSE[side], ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}
    if usages is not None and allowed.isdisjoint(usages):
        words = f"the extended key usage of this CA is {_usages(usages)}, and not {_PURPOSE_NAMES[side]}"
        remedy = f"Have it issued by a CA for {side}s."
        yield Rejection(Reason.WRONG_PURPOSE, describe_name(one.subject), words, _EVERYBODY, remedy)


def _usages(usages: x509.ExtendedKeyUsage) -> str:
    return ", ".join(one._name if one._name != "Unknown OID" else one.dotted_string for one in usages)


def _weak_key(one: x509.Certificate) -> Iterator[Rejection]:
    try:
        key = one.public_key()
    except UNREADABLE:
        return
    is_weak = (isinstance(key, (rsa.RSAPublicKey, dsa.DSAPublicKey)) and key.key_size < _RSA_BITS) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.key_size < _EC_BITS
    )
    if is_weak:
        words = f"its key is {describe_key(key)}"
        remedy = f"Make a new key: RSA of {_RSA_BITS} bits or more, or P-256."
        yield Rejection(Reason.WEAK_KEY, describe_name(one.subject), words, _LEVEL, remedy)


def _weak_signature(one: x509.Certificate) -> Iterator[Rejection]:
    try:
        algorithm = one.signature_hash_algorithm
    except UNREADABLE:
        return
    if algorithm is not None and algorithm.name in _WEAK_HASHES:
        words = f"it is signed with {algorithm.name.upper().replace('SHA1', 'SHA-1')}"
        yield Rejection(
            Reason.WEAK_SIGNATURE, describe_name(one.subject), words, _LEVEL, "Have it issued again with SHA-256."
        )


def _names(leaf: x509.Certificate) -> Iterator[Rejection]:
    try:
        leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        words = "it has no subject alternative name, and a common name is not a host name since RFC 6125"
        by = "browsers, Go and others by RFC 9525; OpenSSL takes the common name"
        remedy = "Issue one with the host as a DNS name or IP address."
        yield Rejection(Reason.HOSTNAME_MISMATCH, describe_name(leaf.subject), words, by, remedy)
    except UNREADABLE:
        pass


def _trust(collection: Collection, path: Sequence[x509.Certificate]) -> Iterator[Rejection]:
    leaf, top = path[0], path[-1]
    name = describe_name(top.subject)
    if collection.trusted and not any(one in collection.trusted for one in path):
        reason = Reason.SELF_SIGNED if top is leaf and is_self_issued(leaf) else Reason.UNKNOWN_CA
        words = f"its chain ends at {describe_name(top.issuer)}, which is not trusted"
        yield Rejection(reason, name, words, "peers that trust what --ca names", _remedy(reason))
    elif top is leaf and is_self_issued(leaf) and not is_ca(leaf):
        words = "it is issued by itself"
        yield Rejection(
            Reason.SELF_SIGNED,
            name,
            words,
            "every peer that was not given this certificate",
            _remedy(Reason.SELF_SIGNED),
        )
