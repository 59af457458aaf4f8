"""What was found, in words for a terminal and as JSON."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from hashlib import sha256
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.certificates.key import PublicKey
from pytest_mtls.certificates.loading import is_self_issued
from pytest_mtls.certificates.names import describe_general_name, describe_name
from pytest_mtls.certificates.validity import now
from pytest_mtls.inspection.belonging import Collection, Statement, extension, is_ca
from pytest_mtls.inspection.found import Found, HeldKey, Unreadable, describe_key
from pytest_mtls.inspection.rejections import Assessment, Rejection
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import opposite
from pytest_mtls.verdict.chain import UNREADABLE, moment, span

__all__ = ["as_facts", "as_text", "is_wrong"]

_MOST_NAMES = 12


def is_wrong(collection: Collection, statements: Sequence[Statement], assessments: Sequence[Assessment]) -> bool:
    """Whether there is anything to mend: something unreadable, not belonging together, or of no use in either role."""
    unreadable = any(isinstance(one.content, Unreadable) and one.content.is_wrong for one in collection.found)
    useful = {one.certificate for one in assessments if not one.rejections}
    useless = any(one.certificate not in useful for one in assessments)
    expired = any(not _is_current(one) for one in collection.places)
    return unreadable or useless or expired or any(one.is_wrong for one in statements)


def _is_current(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_before_utc <= now() <= certificate.not_valid_after_utc


# --- words -----------------------------------------------------------------------------------------------------------


def as_text(
    collection: Collection, statements: Sequence[Statement], assessments: Sequence[Assessment]
) -> Iterator[str]:
    """The lines."""
    source = None
    for one in collection.found:
        if one.source != source:
            source = one.source
            number = sum(other.source == source for other in collection.found)
            yield f"{source}: {one.form}" + (f", {number} things" if number > 1 else "")
        yield from (f"  {line}" for line in _lines(one))
    if collection.places:
        yield from ("", "chain")
        yield from (f"  {line}" for line in _tree(collection))
    if statements:
        yield from ("", "together")
        yield from (f"  {'WRONG: ' if one.is_wrong else ''}{one.words}" for one in statements)
    for assessment in assessments:
        yield ""
        yield from _assessed(collection, assessment)


def _lines(one: Found) -> Iterator[str]:
    number = f"{one.number} " if one.number else ""
    label = f" {one.label!r}" if one.label else ""
    content = one.content
    if isinstance(content, x509.Certificate):
        yield f"{number}certificate{label} {describe_name(content.subject)}"
        yield from (f"    {line}" for line in _certificate_lines(content))
    elif isinstance(content, HeldKey):
        told = f" {describe_key(content.public)}" if content.public is not None else ""
        encrypted = ", encrypted" if content.is_encrypted else ", not encrypted" if content.is_private else ""
        yield f"{number}{one.kind}{label}{told}{encrypted}{', not opened' * (content.public is None)}"
    elif isinstance(content, x509.CertificateSigningRequest):
        yield f"{number}{one.kind}{label} {describe_name(content.subject)}"
        yield f"    key {describe_key(_key(content))}; {_names(_request_names(content))}"
    elif isinstance(content, x509.CertificateRevocationList):
        yield f"{number}{one.kind}{label} of {describe_name(content.issuer)}"
        due = content.next_update_utc
        update = "without a next update" if due is None else f"next update due {moment(due)}{_ago(due)}"
        revoked = "1 certificate" if len(content) == 1 else f"{len(content)} certificates"
        yield f"    {revoked} revoked; issued {moment(content.last_update_utc)}, {update}"
    else:
        yield f"{number}{'WRONG: ' if content.is_wrong else ''}{content.what}{label}: {content.problem}"


def _ago(end: Any) -> str:
    return f", {span(now() - end)} ago" if end < now() else ""


def _certificate_lines(certificate: x509.Certificate) -> Iterator[str]:
    issuer = "itself" if is_self_issued(certificate) else describe_name(certificate.issuer)
    yield f"issued by {issuer}; serial number {certificate.serial_number:x}"
    yield f"key {describe_key(_key(certificate))}; signed with {_signature(certificate)}"
    yield f"for {_purposes(certificate)}; {_names(_certificate_names(certificate))}"
    start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if end < now():
        state = f"EXPIRED {span(now() - end)} ago"
    elif start > now():
        state = f"NOT YET VALID for another {span(start - now())}"
    else:
        state = f"ends in {span(end - now())}"
    yield f"valid {moment(start)} to {moment(end)}: {state}"
    yield f"SHA-256 {_fingerprint(certificate)}"


def _fingerprint(certificate: x509.Certificate) -> str:
    return sha256(certificate.public_bytes(Encoding.DER)).hexdigest()


def _key(one: x509.Certificate | x509.CertificateSigningRequest) -> PublicKey | None:
    try:
        return one.public_key()
    except UNREADABLE:
        return None


def _signature(certificate: x509.Certificate) -> str:
    name: str = certificate.signature_algorithm_oid._name
    return name if name != "Unknown OID" else certificate.signature_algorithm_oid.dotted_string


def _purposes(certificate: x509.Certificate) -> str:
    usages = extension(certificate, x509.ExtendedKeyUsage)
    named = [one._name if one._name != "Unknown OID" else one.dotted_string for one in usages or ()]
    if is_ca(certificate):
        return ", ".join(["issuing certificates", *named])
    return ", ".join(named) or "any purpose"


def _certificate_names(certificate: x509.Certificate) -> list[str]:
    return _alternative_names(certificate.extensions.get_extension_for_class) if _has_readable(certificate) else []


def _request_names(request: x509.CertificateSigningRequest) -> list[str]:
    return _alternative_names(request.extensions.get_extension_for_class) if _has_readable(request) else []


def _has_readable(one: x509.Certificate | x509.CertificateSigningRequest) -> bool:
    try:
        return len(one.extensions) >= 0
    except UNREADABLE:
        return False


def _alternative_names(get: Any) -> list[str]:
    try:
        return [describe_general_name(name) for name in get(x509.SubjectAlternativeName).value]
    except x509.ExtensionNotFound:
        return []


def _names(names: Sequence[str]) -> str:
    if not names:
        return "no alternative names"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"names {', '.join(names[:_MOST_NAMES])}{more}"


def _tree(collection: Collection) -> Iterator[str]:
    """The certificates under their issuers."""
    everything = list(dict.fromkeys([*collection.trusted, *collection.places]))
    below: dict[x509.Certificate | None, list[x509.Certificate]] = {}
    for one in everything:
        below.setdefault(collection.issuer_of(one), []).append(one)
    told: set[x509.Certificate] = set()

    def branch(one: x509.Certificate, before: str, own: str, after: str) -> Iterator[str]:
        told.add(one)
        key = collection.key_of(one)
        yield f"{before}{own}{collection.name_of(one)}" + (f", key: {key.place}" if key is not None else "")
        children = [child for child in below.get(one, []) if child not in told]
        for number, child in enumerate(children):
            is_last = number == len(children) - 1
            yield from branch(child, f"{before}{after}", "`- " if is_last else "|- ", "   " if is_last else "|  ")

    needed: set[x509.Certificate] = set()
    for one in collection.places:
        needed.update(collection.path(one))
    for top in below.get(None, []):
        if top not in needed:
            continue
        if not is_self_issued(top):
            yield f"(missing: {describe_name(top.issuer)})"
            yield from branch(top, "", "`- ", "   ")
        else:
            yield from branch(top, "", "", "")


def _assessed(collection: Collection, assessment: Assessment) -> Iterator[str]:
    peer = opposite(assessment.side)
    name = collection.name_of(assessment.certificate)
    verdict = "would be rejected" if assessment.rejections else "would be accepted"
    if not assessment.rejections or assessment.openssl.reason:
        by = f"a {peer} that trusts"
    elif all(one.reason is Reason.SELF_SIGNED for one in assessment.rejections):  # which others trust
        by = f"{peer}s that do not trust"
    else:
        by = f"some {peer}s that trust"
    yield f"as a {assessment.side}, {name} {verdict} by {by} {assessment.trusted}"
    for one in assessment.rejections:
        about = "" if one.subject == describe_name(assessment.certificate.subject) else f"{one.subject}: "
        yield f"  {one.reason.words}: {about}{one.words}"
        yield f"    by {one.by}"
        yield f"    {one.remedy}"


# --- JSON ------------------------------------------------------------------------------------------------------------


def as_facts(
    collection: Collection, statements: Sequence[Statement], assessments: Sequence[Assessment]
) -> dict[str, Any]:
    """The same for machines."""
    return {
        "found": [_found_facts(one) for one in collection.found],
        "together": [{"words": one.words, "wrong": one.is_wrong} for one in statements],
        "assessments": [_assessment_facts(one) for one in assessments],
        "openssl": ssl.OPENSSL_VERSION,
        "wrong": is_wrong(collection, statements, assessments),
    }


def _found_facts(one: Found) -> dict[str, Any]:
    content = one.content
    facts: dict[str, Any] = {
        "file": one.source,
        "form": one.form,
        "number": one.number or 1,
        "label": one.label,
        "kind": one.kind,
    }
    if isinstance(content, x509.Certificate):
        facts |= {
            "subject": describe_name(content.subject),
            "issuer": describe_name(content.issuer),
            "serial_number": f"{content.serial_number:x}",
            "key": describe_key(_key(content)),
            "signature": _signature(content),
            "is_ca": is_ca(content),
            "purposes": [one._name for one in extension(content, x509.ExtendedKeyUsage) or ()],
            "names": _certificate_names(content),
            "not_before": content.not_valid_before_utc.isoformat(),
            "not_after": content.not_valid_after_utc.isoformat(),
            "sha256": _fingerprint(content),
        }
    elif isinstance(content, HeldKey):
        key = None if content.public is None else describe_key(content.public)
        facts |= {"key": key, "encrypted": content.is_encrypted}
    elif isinstance(content, x509.CertificateSigningRequest):
        facts |= {
            "subject": describe_name(content.subject),
            "key": describe_key(_key(content)),
            "names": _request_names(content),
        }
    elif isinstance(content, x509.CertificateRevocationList):
        due = content.next_update_utc
        facts |= {
            "issuer": describe_name(content.issuer),
            "revoked": len(content),
            "last_update": content.last_update_utc.isoformat(),
            "next_update": None if due is None else due.isoformat(),
        }
    else:
        facts |= {"problem": content.problem, "wrong": content.is_wrong}
    return facts


def _assessment_facts(one: Assessment) -> dict[str, Any]:
    return {
        "subject": describe_name(one.certificate.subject),
        "sha256": _fingerprint(one.certificate),
        "as": one.side,
        "accepted": not one.rejections,
        "trusted": one.trusted,
        "rejections": [_rejection_facts(rejection) for rejection in one.rejections],
        "openssl_reason": None if one.openssl.reason is None else one.openssl.reason.value,
        "openssl_words": one.openssl.words or None,
    }


def _rejection_facts(one: Rejection) -> dict[str, str]:
    return {
        "reason": one.reason.value,
        "certificate": one.subject,
        "words": one.words,
        "by": one.by,
        "remedy": one.remedy,
    }
