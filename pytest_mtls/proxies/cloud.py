"""The load balancers of clouds: AWS, Google, Azure, Cloudflare. What their documents leave open is said where it is decided."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from pytest_mtls.certificates.der import load_name
from pytest_mtls.certificates.names import alternative_names, describe_name
from pytest_mtls.certificates.printed import openssl_rfc2253, openssl_serial
from pytest_mtls.proxies.encodings import (
    base64_der,
    der,
    percent_encoded_pem,
    read_base64,
    read_base64_der,
    read_percent_encoded_pem,
)
from pytest_mtls.proxies.standard import (
    byte_sequence,
    byte_sequences,
    read_byte_sequence,
    read_byte_sequences,
)
from pytest_mtls.proxies.style import (
    Client,
    Fields,
    Header,
    Style,
    field,
    fingerprint,
    hexadecimal,
    of_certificate,
    of_chain,
)
from pytest_mtls.proxies.verification import reason_of_words
from pytest_mtls.reasons.reason import Reason

__all__ = ["CLOUD_STYLES"]


# --- AWS Application Load Balancer -----------------------------------------------------------------------------------

#: What the load balancer leaves as it is, against what form decoders expect.
_AWS_SAFE = "+=/"


def _aws_leaf(certificate: x509.Certificate) -> str:
    return percent_encoded_pem([certificate], _AWS_SAFE)


def _read_aws_leaf(value: str) -> Fields:
    certificate, *others = read_percent_encoded_pem(value)
    if others:
        raise ValueError("it holds more than one certificate")
    return {"certificate": certificate}


def _read_aws_chain(value: str) -> Fields:
    first, *others = read_percent_encoded_pem(value)
    return {"certificate": first, "chain": tuple(others)}


def _aws_validity(certificate: x509.Certificate) -> str:
    start, end = (f"{moment:%Y-%m-%dT%H:%M:%S}Z" for moment in _validity(certificate))
    return f"NotBefore={start};NotAfter={end}"


def _read_aws_validity(value: str) -> Fields:
    moment = r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)Z"
    match = re.fullmatch(f"NotBefore={moment};NotAfter={moment}", value, re.ASCII)
    if match is None:
        raise ValueError("it is truncated, or not of the form NotBefore=...Z;NotAfter=...Z")
    start, end = (datetime.fromisoformat(text).replace(tzinfo=timezone.utc) for text in match.groups())
    return {"not_before": start, "not_after": end}


def _validity(certificate: x509.Certificate) -> tuple[datetime, datetime]:
    return certificate.not_valid_before_utc, certificate.not_valid_after_utc


_AWS = "X-Amzn-Mtls-Clientcert"
_AWS_HEADERS = (
    Header(
        f"{_AWS}-Serial-Number",
        "serial number, hex",
        of_certificate(openssl_serial),
        lambda value: {"verified": True, "serial_number": hexadecimal(value)},
    ),
    Header(
        f"{_AWS}-Issuer",
        "issuer, RFC 2253",
        of_certificate(lambda certificate: openssl_rfc2253(certificate.issuer)),
        field("issuer"),
    ),
    Header(
        f"{_AWS}-Subject",
        "subject, RFC 2253",
        of_certificate(lambda certificate: openssl_rfc2253(certificate.subject)),
        field("subject"),
    ),
    Header(f"{_AWS}-Validity", "notBefore and notAfter, ISO 8601", of_certificate(_aws_validity), _read_aws_validity),
    Header(f"{_AWS}-Leaf", "certificate, percent-encoded PEM", of_certificate(_aws_leaf), _read_aws_leaf),
)


# --- Google Cloud Application Load Balancers -------------------------------------------------------------------------

_LONGEST_SERIAL = 50
_LONGEST_SPIFFE_ID = 2048
_LONGEST_LIST = 512
_LARGEST_CERTIFICATES = 16 * 1024

#: The strings of ``client_cert_error`` for reasons; all else is a failed validation.
_GOOGLE_ERRORS = {Reason.WRONG_PURPOSE: "client_cert_chain_invalid_eku"}
_GOOGLE_FAILED = "client_cert_validation_failed"
_GOOGLE_ABSENT = "client_cert_not_provided"


def _google_base64(data: bytes) -> str:
    """Base64 without padding, as fingerprints in the load balancer's logs are; its documents do not say."""
    return base64.b64encode(data).decode().rstrip("=")


def _google_fingerprint(certificate: x509.Certificate) -> str:
    return _google_base64(certificate.fingerprint(SHA256()))


def _read_google_fingerprint(value: str) -> str:
    data = read_base64(value, padded=False)
    if len(data) != 32:
        raise ValueError("it is truncated, or no SHA-256")
    return data.hex()


def _google_serial(certificate: x509.Certificate) -> str:
    """In lower-case hex; the documents do not say."""
    return openssl_serial(certificate).lower()


def _spiffe_id(certificate: x509.Certificate) -> str:
    ids = [uri for uri in _uris(certificate) if uri.startswith("spiffe://")]
    return ids[0] if len(ids) == 1 else ""


def _uris(certificate: x509.Certificate) -> list[str]:
    return alternative_names(certificate, x509.UniformResourceIdentifier)


def _uri_sans(certificate: x509.Certificate) -> str:
    return _google_list([uri for uri in _uris(certificate) if uri != _spiffe_id(certificate)])


def _dns_sans(certificate: x509.Certificate) -> str:
    return _google_list(alternative_names(certificate, x509.DNSName))


def _google_list(names: list[str]) -> str:
    return ",".join(_google_base64(name.encode()) for name in names)


def _read_google_list(value: str) -> tuple[str, ...]:
    return tuple(read_base64(member, padded=False).decode() for member in value.split(","))


def _google_issuer(certificate: x509.Certificate) -> str:
    return _google_base64(certificate.issuer.public_bytes())


def _google_subject(certificate: x509.Certificate) -> str:
    return _google_base64(certificate.subject.public_bytes())


def _google_date(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}+00:00"


def _read_google_date(value: str) -> datetime:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", value, re.ASCII):
        raise ValueError("it is truncated, or no RFC 3339 date in UTC")
    return datetime.fromisoformat(value)


#: Variables that are empty above a size, which is then in ``client_cert_error``.
_LIMITS: dict[str, tuple[Callable[[x509.Certificate], str], int]] = {
    "client_cert_serial_number": (openssl_serial, 2 * _LONGEST_SERIAL),
    "client_cert_spiffe_id": (_spiffe_id, _LONGEST_SPIFFE_ID),
    "client_cert_uri_sans": (_uri_sans, _LONGEST_LIST),
    "client_cert_dnsname_sans": (_dns_sans, _LONGEST_LIST),
    "client_cert_issuer_dn": (_google_issuer, _LONGEST_LIST),
    "client_cert_subject_dn": (_google_subject, _LONGEST_LIST),
}


def _exceeded(certificate: x509.Certificate) -> list[str]:
    return [variable for variable, (make, most) in _LIMITS.items() if len(make(certificate)) > most]


def _google_error(client: Client) -> str:
    if not client.chain:
        return _GOOGLE_ABSENT
    errors = [f"{variable}_exceeded_size_limit" for variable in _exceeded(client.chain[0])]
    if client.failure is not None:
        errors.insert(0, _google_failure(client.failure))
    else:
        for certificates, what in ((client.chain[:1], "leaf"), (client.chain, "chain")):
            if sum(map(len, map(der, certificates))) > _LARGEST_CERTIFICATES:
                errors.append(f"client_cert_validated_{what}_exceeded_size_limit")
    return ",".join(errors)


def _google_failure(words: str) -> str:
    if words.startswith("client_cert_"):
        return words
    reason = reason_of_words(words)
    return _GOOGLE_FAILED if reason is None else _GOOGLE_ERRORS.get(reason, _GOOGLE_FAILED)


def _limited(variable: str, make: Callable[[x509.Certificate], str]) -> Callable[[Client], str | None]:
    return of_certificate(
        lambda certificate: "" if variable in _exceeded(certificate) else make(certificate), otherwise=""
    )


def _validated(what: str, write: Callable[[tuple[x509.Certificate, ...]], str]) -> Callable[[Client], str]:
    """The certificates, which are there only if the client was verified."""

    def make(client: Client) -> str:
        is_told = client.chain and client.failure is None and f"validated_{what}" not in _google_error(client)
        return write(client.chain) if is_told else ""

    return make


def _read_boolean(name: str) -> Callable[[str], Fields]:
    def read(value: str) -> Fields:
        if value not in ("true", "false"):
            raise ValueError("it is neither true nor false")
        return {name: value == "true"}

    return read


def _google(name: str, variable: str, write: Callable[[Client], str | None], read: Callable[[str], Fields]) -> Header:
    return Header(name, f"{{{variable}}}", write, lambda value: {} if value == "" else read(value))


def _read_google_name(value: str) -> str:
    """A distinguished name, of which the DER comes, as RFC 4514 text."""
    return describe_name(load_name(read_base64(value, padded=False)))


def _read_google_error(value: str) -> Fields:
    if value == _GOOGLE_ABSENT:
        return {"presented": False}
    errors = [error for error in value.split(",") if not error.endswith("_exceeded_size_limit")]
    return {"failure": ",".join(errors)} if errors else {}


_GOOGLE_HEADERS = (
    _google(
        "X-Client-Cert-Present",
        "client_cert_present",
        lambda client: str(bool(client.chain)).lower(),
        _read_boolean("presented"),
    ),
    _google(
        "X-Client-Cert-Chain-Verified",
        "client_cert_chain_verified",
        lambda client: str(bool(client.chain) and client.failure is None).lower(),
        _read_boolean("verified"),
    ),
    _google("X-Client-Cert-Error", "client_cert_error", _google_error, _read_google_error),
    *(
        _google(name, variable, _limited(variable, make), read)
        for name, variable, make, read in (
            (
                "X-Client-Cert-Hash",
                "client_cert_sha256_fingerprint",
                _google_fingerprint,
                field("fingerprint", _read_google_fingerprint),
            ),
            (
                "X-Client-Cert-Serial-Number",
                "client_cert_serial_number",
                _google_serial,
                field("serial_number", hexadecimal),
            ),
            ("X-Client-Cert-SPIFFE", "client_cert_spiffe_id", _spiffe_id, field("sans", lambda value: (value,))),
            ("X-Client-Cert-URI-SANs", "client_cert_uri_sans", _uri_sans, field("sans", _read_google_list)),
            ("X-Client-Cert-DNSName-SANs", "client_cert_dnsname_sans", _dns_sans, field("sans", _read_google_list)),
            (
                "X-Client-Cert-Valid-Not-Before",
                "client_cert_valid_not_before",
                lambda certificate: _google_date(certificate.not_valid_before_utc),
                field("not_before", _read_google_date),
            ),
            (
                "X-Client-Cert-Valid-Not-After",
                "client_cert_valid_not_after",
                lambda certificate: _google_date(certificate.not_valid_after_utc),
                field("not_after", _read_google_date),
            ),
            ("X-Client-Cert-Issuer-Dn", "client_cert_issuer_dn", _google_issuer, field("issuer", _read_google_name)),
            (
                "X-Client-Cert-Subject-Dn",
                "client_cert_subject_dn",
                _google_subject,
                field("subject", _read_google_name),
            ),
        )
    ),
    _google(
        "X-Client-Cert-Leaf",
        "client_cert_leaf",
        _validated("leaf", lambda chain: byte_sequence(chain[0])),
        field("certificate", read_byte_sequence),
    ),
    _google(
        "X-Client-Cert-Chain",
        "client_cert_chain",
        _validated("chain", lambda chain: byte_sequences(chain[1:])),
        field("chain", read_byte_sequences),
    ),
)


# --- Azure App Service, Cloudflare -----------------------------------------------------------------------------------


def _sha256(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(SHA256()).hex()


CLOUD_STYLES = (
    Style(
        "aws-alb-verify",
        "AWS Application Load Balancer, mode verify",
        _AWS_HEADERS,
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/header-modification.html",
        "verified",
        configured=True,
        note="`+`, `=` and `/` are not escaped: a decoder of forms (`unquote_plus`) makes spaces of the plus signs.",
    ),
    Style(
        "aws-alb-passthrough",
        "AWS Application Load Balancer, mode passthrough",
        (
            Header(
                _AWS,
                "all that the client presented, percent-encoded PEM",
                of_chain(lambda chain: percent_encoded_pem(chain, _AWS_SAFE)),
                _read_aws_chain,
            ),
        ),
        "https://docs.aws.amazon.com/elasticloadbalancing/latest/application/mutual-authentication.html",
        "silent",
        configured=True,
        note="The app has to verify the chain itself.",
    ),
    Style(
        "google",
        "Google Cloud Application Load Balancers",
        _GOOGLE_HEADERS,
        "https://cloud.google.com/load-balancing/docs/https/custom-headers",
        "tells",
        configured=True,
        note=(
            "A variable without a value makes an empty header. Leaf and chain come only of verified clients. The documents "
            "leave open how base64 is padded and in which base the serial number is; both ways of padding are read."
        ),
    ),
    Style(
        "azure",
        "Azure App Service",
        (
            Header(
                "X-ARR-ClientCert",
                "the certificate, base64 of its DER",
                of_certificate(base64_der),
                field("certificate", read_base64_der),
            ),
        ),
        "https://learn.microsoft.com/azure/app-service/app-service-web-configure-tls-mutual-auth",
        "silent",
        note="App Service verifies nothing: the app has to.",
    ),
    Style(
        "cloudflare",
        "Cloudflare",
        (
            Header(
                "Cf-Client-Cert-Der-Base64",
                "client_certificate_forwarding",
                of_certificate(base64_der),
                field("certificate", read_base64_der),
            ),
            Header(
                "Cf-Client-Cert-Sha256",
                "client_certificate_forwarding",
                of_certificate(_sha256),
                field("fingerprint", fingerprint(32)),
            ),
        ),
        "https://developers.cloudflare.com/ssl/client-certificates/forward-a-client-certificate/",
        "silent",
    ),
)
