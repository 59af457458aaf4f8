"""What an EST server sends and is sent (RFC 7030, RFC 8951): base64, certs-only PKCS#7, CSR attributes; and how it is spoilt."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Literal, Union

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.der import object_identifier, sequence, set_of
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind, signature_hash
from pytest_mtls.certificates.signing_request import CertificateSigningRequest
from pytest_mtls.errors import InvalidArgument, UnreadableSigningRequest

__all__ = [
    "EST_MISBEHAVIOURS",
    "CSRAttribute",
    "ESTMisbehaviour",
    "ca_certificates",
    "certs_only",
    "check_renewal",
    "csr_attributes",
    "from_base64",
    "misissued",
    "signing_request",
    "to_base64",
]

ESTMisbehaviour = Literal[
    "content type", "expired", "for another key", "html", "huge", "of another issuer", "truncated"
]

#: What an EST server can do wrong on purpose, in words.
EST_MISBEHAVIOURS: Mapping[str, str] = {
    "content type": "what is asked for, as text/plain",
    "expired": "a certificate that ended yesterday",
    "for another key": "a certificate for a key that is not the request's",
    "html": "a page of HTML with status 200, as a captive portal gives it",
    "huge": "32 MiB of base64",
    "of another issuer": "certificates of another CA that has the same name",
    "truncated": "the first half of the base64",
}

#: One attribute that a server wishes in requests: an object identifier, dotted, or one with its values (RFC 8951 section 3).
CSRAttribute = Union[str, "tuple[str, Iterable[str]]"]


def to_base64(der: bytes) -> bytes:
    """The body of an answer: base64 in lines of 76 characters, which every decoder reads (RFC 8951 section 3)."""
    return base64.encodebytes(der)


def from_base64(body: bytes) -> bytes:
    """What the body of a request holds; white space between its characters does not matter (RFC 8951 section 3).

    Raises:
        UnreadableSigningRequest: it is not base64.
    """
    try:
        return base64.b64decode(b"".join(body.split()), validate=True)
    except binascii.Error as error:
        raise UnreadableSigningRequest("the body", f"it is not base64 ({error})") from None


def signing_request(body: bytes) -> CertificateSigningRequest:
    """The PKCS#10 request of a body.

    Raises:
        UnreadableSigningRequest: it is not base64, or holds no request.
    """
    return CertificateSigningRequest.load(from_base64(body))


def certs_only(certificates: Iterable[x509.Certificate]) -> bytes:
    """A certs-only PKCS#7 message, DER (RFC 5272 section 4.1)."""
    return pkcs7.serialize_certificates(list(certificates), Encoding.DER)


def ca_certificates(ca: CertificateAuthority) -> list[x509.Certificate]:
    """A CA's certificate and those above it, as far as they are known (RFC 7030 section 4.1.3)."""
    chain = list(ca.chain)
    if ca.root is not None and ca.root not in chain:
        chain.append(ca.root)
    return chain or [ca.certificate]


def csr_attributes(attributes: Iterable[CSRAttribute]) -> bytes:
    """What ``/csrattrs`` answers, DER: ``CsrAttrs`` of RFC 7030 section 4.5.2; empty for none.

    Raises:
        InvalidArgument: something that is not an object identifier.
    """
    fields = []
    for attribute in attributes:
        if isinstance(attribute, tuple) and len(attribute) == 2:
            kind, values = attribute
            fields.append(sequence(_oid(kind), set_of(*map(_oid, values))))
        else:
            fields.append(_oid(attribute))
    return sequence(*fields) if fields else b""


def check_renewal(request: CertificateSigningRequest, current: x509.Certificate) -> str:
    """What a re-enrolment changes and must not (RFC 7030 section 4.2.2), in words; empty if nothing."""
    if request.request.subject != current.subject:
        return "the subject is not that of the certificate that is renewed"
    try:
        names = tuple(current.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        names = ()
    if request.sans != names:
        return "the subject alternative names are not those of the certificate that is renewed"
    return ""


def misissued(
    ca: CertificateAuthority, request: CertificateSigningRequest, misbehaviour: str | None, issued: Identity
) -> x509.Certificate:
    """The certificate that goes out instead of the right one; the right one where nothing is wrong with that.

    Args:
        ca: the CA that issued.
        request: what was asked for.
        misbehaviour: what is wrong on purpose.
        issued: what was issued.
    """
    if misbehaviour == "expired":
        return ca.sign(request, not_before=-2, not_after=-1).certificate
    if misbehaviour == "of another issuer":
        return ca.impostor().sign(request).certificate
    if misbehaviour == "for another key":
        key = KeyKind.P256.generate()
        builder = x509.CertificateSigningRequestBuilder().subject_name(request.request.subject)
        if request.sans:
            builder = builder.add_extension(x509.SubjectAlternativeName(request.sans), critical=False)
        return ca.sign(builder.sign(key, signature_hash(key))).certificate
    return issued.certificate


def _oid(dotted: object) -> bytes:
    try:
        return object_identifier(x509.ObjectIdentifier(dotted).dotted_string)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        raise InvalidArgument(
            "csr_attributes", dotted, "a dotted object identifier, such as '1.2.840.113549.1.9.7'"
        ) from None
