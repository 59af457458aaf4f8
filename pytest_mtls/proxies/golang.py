"""Traefik and Caddy: what they tell is made by Go."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timezone
from urllib.parse import quote_plus, unquote_plus

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from pytest_mtls.certificates.names import alternative_names
from pytest_mtls.certificates.printed import go_text, values_of
from pytest_mtls.proxies.encodings import base64_der, from_wire, read_base64_der, wire
from pytest_mtls.proxies.style import (
    Fields,
    Header,
    Style,
    decimal,
    field,
    fingerprint,
    of_certificate,
    of_chain,
)

__all__ = ["GO_STYLES"]


# --- Traefik ---------------------------------------------------------------------------------------------------------

#: The attributes that `pass_tls_client_cert.go` tells, in its order; of the last two it knows one each.
_SUBJECT_PARTS = (
    ("DC", "0.9.2342.19200300.100.1.25"),
    ("C", "2.5.4.6"),
    ("ST", "2.5.4.8"),
    ("L", "2.5.4.7"),
    ("O", "2.5.4.10"),
    ("OU", "2.5.4.11"),
    ("SN", "2.5.4.5"),
    ("CN", "2.5.4.3"),
)
_ISSUER_PARTS = tuple(part for part in _SUBJECT_PARTS if part[0] != "OU")
_SINGLE = frozenset({"SN", "CN"})
_KINDS = (x509.DNSName, x509.RFC822Name, x509.IPAddress, x509.UniformResourceIdentifier)


def _certificates(chain: Iterable[x509.Certificate]) -> str:
    return ",".join(map(base64_der, chain))


def _read_certificates(value: str) -> Fields:
    first, *others = map(read_base64_der, value.split(","))
    return {"certificate": first, "chain": tuple(others)}


def _info(chain: Iterable[x509.Certificate]) -> str:
    return quote_plus(",".join(map(_info_of, chain)))


def _info_of(certificate: x509.Certificate) -> str:
    pairs = {
        "Subject": _distinguished(certificate.subject, _SUBJECT_PARTS),
        "Issuer": _distinguished(certificate.issuer, _ISSUER_PARTS),
        "SerialNumber": str(certificate.serial_number),
        "NB": str(int(certificate.not_valid_before_utc.timestamp())),
        "NA": str(int(certificate.not_valid_after_utc.timestamp())),
        "SAN": ",".join(name for kind in _KINDS for name in alternative_names(certificate, kind)),
    }
    return ";".join(f'{key}="{value}"' for key, value in pairs.items() if value)


def _distinguished(name: x509.Name, parts: Sequence[tuple[str, str]]) -> str:
    """The parts of a name, in which nothing is escaped."""
    pairs = []
    for label, oid in parts:
        values = values_of(name, oid)
        pairs += [f"{label}={value}" for value in (values[-1:] if label in _SINGLE else values) if value]
    return ",".join(pairs)


_INFO = re.compile(
    r'(?:Subject="(?P<subject>.*?)"(?:[;,]|$))?'
    r'(?:Issuer="(?P<issuer>.*?)"(?:[;,]|$))?'
    r'(?:SerialNumber="(?P<serial>\d+)"(?:[;,]|$))?'
    r'(?:NB="(?P<nb>\d{1,11})"(?:[;,]|$))?'
    r'(?:NA="(?P<na>\d{1,11})"(?:[;,]|$))?'
    r'(?:SAN="(?P<san>.*?)"(?:,|$))?',
    re.ASCII | re.DOTALL,
)
_NEXT_CERTIFICATE = re.compile(r'(?:(?:Subject|Issuer)=".*"|(?:SerialNumber|NB|NA)="\d+")', re.ASCII | re.DOTALL)


def _read_info(value: str) -> Fields:
    """What is told of the first certificate; that of the issuers, which may follow, is left."""
    if re.search(r"%(?![0-9A-Fa-f]{2})", value):
        raise ValueError("it is truncated, or no percent-encoding")
    text = unquote_plus(value, errors="strict")
    if re.match(r"\w+%3D%22", text):
        raise ValueError("it is encoded twice")
    found = _INFO.match(text)
    if found is None or not found.group(0):
        raise ValueError('it is not a list of Subject="...", Issuer="..." and so on')
    rest = text[found.end() :]
    if rest and not (rest.endswith('"') and _NEXT_CERTIFICATE.match(rest)):
        raise ValueError("it is truncated, or something follows that is not of this form")
    fields = {
        "subject": found["subject"],
        "issuer": found["issuer"],
        "serial_number": found["serial"] and int(found["serial"]),
        "not_before": found["nb"] and datetime.fromtimestamp(int(found["nb"]), timezone.utc),
        "not_after": found["na"] and datetime.fromtimestamp(int(found["na"]), timezone.utc),
        "sans": found["san"] and tuple(found["san"].split(",")),
    }
    return {name: told for name, told in fields.items() if told is not None}


# --- Caddy -----------------------------------------------------------------------------------------------------------


def _placeholder(
    name: str, key: str, write: Callable[[x509.Certificate], str], read: Callable[[str], Fields]
) -> Header:
    """A header of one placeholder, which Caddy leaves as it is where there is no certificate."""
    text = f"{{http.request.tls.client.{key}}}"
    return Header(
        name,
        text,
        of_certificate(lambda certificate: wire(write(certificate)), otherwise=text),
        lambda value: {"presented": False} if value == text else read(value),
    )


_CADDY_HEADERS = (
    _placeholder("X-Ssl-Client-Cert", "certificate_der_base64", base64_der, field("certificate", read_base64_der)),
    _placeholder(
        "X-Ssl-Client-S-Dn", "subject", lambda certificate: go_text(certificate.subject), field("subject", from_wire)
    ),
    _placeholder(
        "X-Ssl-Client-I-Dn", "issuer", lambda certificate: go_text(certificate.issuer), field("issuer", from_wire)
    ),
    _placeholder(
        "X-Ssl-Client-Serial",
        "serial",
        lambda certificate: str(certificate.serial_number),
        field("serial_number", decimal),
    ),
    _placeholder(
        "X-Ssl-Client-Fingerprint",
        "fingerprint",
        lambda certificate: certificate.fingerprint(SHA256()).hex(),
        field("fingerprint", fingerprint(32)),
    ),
)

GO_STYLES = (
    Style(
        "traefik",
        "Traefik",
        (
            Header(
                "X-Forwarded-Tls-Client-Cert", "passTLSClientCert with pem", of_chain(_certificates), _read_certificates
            ),
            Header(
                "X-Forwarded-Tls-Client-Cert-Info", "passTLSClientCert with all of info", of_chain(_info), _read_info
            ),
        ),
        "https://doc.traefik.io/traefik/middlewares/http/passtlsclientcert/",
        "silent",
        partial_names=True,
        note=(
            "Without a certificate Traefik sets neither header, and does not delete what the client sent. Nothing in a "
            "name of the second is escaped: a subject can counterfeit the other fields."
        ),
    ),
    Style(
        "caddy",
        "Caddy",
        _CADDY_HEADERS,
        "https://caddyserver.com/docs/json/apps/http/#docs",
        "silent",
        configured=True,
        note="Without a certificate each header is its placeholder, not absent.",
    ),
)
