"""nginx, ingress-nginx, HAProxy and Apache httpd: what they tell is made by OpenSSL, and named by their configuration."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import datetime, timezone
from urllib.parse import quote_from_bytes

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1

from pytest_mtls.certificates.printed import MONTHS, openssl_one_line, openssl_rfc2253, openssl_serial
from pytest_mtls.proxies.encodings import (
    base64_der,
    der,
    from_wire,
    percent_encoded_pem,
    read_base64,
    read_base64_der,
    read_certificates,
    read_pem,
    read_percent_encoded_pem,
    wire,
)
from pytest_mtls.proxies.environ import mod_ssl_variables
from pytest_mtls.proxies.style import (
    Client,
    Fields,
    Header,
    Style,
    field,
    fingerprint,
    hexadecimal,
    of_certificate,
)
from pytest_mtls.proxies.verification import VERIFY_WORDS, verify_code

__all__ = ["OPENSSL_STYLES"]


# --- nginx -----------------------------------------------------------------------------------------------------------


def _verify(client: Client) -> str:
    if not client.chain:
        return "NONE"
    return "SUCCESS" if client.failure is None else f"FAILED:{client.failure}"


def _read_verify(value: str) -> Fields:
    if value == "NONE":
        return {"presented": False}
    if value == "SUCCESS":
        return {"presented": True, "verified": True}
    state, colon, words = value.partition(":")
    if state != "FAILED" or not colon:
        raise ValueError("it is none of SUCCESS, FAILED:<why> and NONE")
    return {"presented": True, "verified": False, "failure": words.strip()}


def _one_certificate(value: str) -> x509.Certificate:
    (certificate, *others) = read_percent_encoded_pem(value)
    if others:
        raise ValueError("it holds more than one certificate")
    return certificate


def _nginx(names: dict[str, str]) -> tuple[Header, ...]:
    """The headers, of which nginx leaves out one that is empty."""
    all_headers = {
        "cert": ("$ssl_client_escaped_cert", of_certificate(_escaped_pem), field("certificate", _one_certificate)),
        "verify": ("$ssl_client_verify", _verify, _read_verify),
        "subject": ("$ssl_client_s_dn", of_certificate(_subject_ascii), field("subject")),
        "issuer": ("$ssl_client_i_dn", of_certificate(_issuer_ascii), field("issuer")),
        "serial": ("$ssl_client_serial", of_certificate(openssl_serial), field("serial_number", hexadecimal)),
        "sha1": ("$ssl_client_fingerprint", of_certificate(_sha1), field("fingerprint", fingerprint(20))),
    }
    return tuple(Header(name, *all_headers[key]) for key, name in names.items())


def _escaped_pem(certificate: x509.Certificate) -> str:
    return percent_encoded_pem([certificate])


def _subject_ascii(certificate: x509.Certificate) -> str:
    return openssl_rfc2253(certificate.subject)


def _issuer_ascii(certificate: x509.Certificate) -> str:
    return openssl_rfc2253(certificate.issuer)


def _sha1(certificate: x509.Certificate) -> str:
    return certificate.fingerprint(SHA1()).hex()


# --- HAProxy ---------------------------------------------------------------------------------------------------------

#: What HAProxy percent-encodes in a header: control characters but the tab (``http_encode_map``).
_NOT_ENCODED = bytes([0x09, *range(0x20, 0x7F), *range(0x80, 0x100)])


def _encoded(data: bytes) -> str:
    return "".join(chr(byte) if byte in _NOT_ENCODED else quote_from_bytes(bytes([byte]), safe=b"") for byte in data)


def _sample(make: Callable[[x509.Certificate], str]) -> Callable[[Client], str | None]:
    """A header made of a sample that is empty without a certificate: HAProxy sends it all the same."""
    return of_certificate(make, otherwise="")


def _haproxy_chain(client: Client) -> str:
    return base64.b64encode(b"".join(map(der, client.chain[1:]))).decode()


def _haproxy_number(client: Client) -> str:
    return "0" if client.failure is None or not client.chain else str(verify_code(client.failure))


def _read_haproxy_number(value: str) -> Fields:
    if not value.isascii() or not value.isdigit():
        raise ValueError("it is not a number of X509_V_ERR")
    if value == "0":
        return {"verified": True}
    return {"verified": False, "failure": VERIFY_WORDS.get(int(value), f"X509_V_ERR {value}")}


def _read_used(value: str) -> Fields:
    if value not in ("0", "1"):
        raise ValueError("it is neither 0 nor 1")
    return {"presented": value == "1"}


def _short_time(moment: datetime) -> str:
    return f"{moment:%y%m%d%H%M%S}Z"


def _read_short_time(value: str) -> datetime:
    if not re.fullmatch(r"\d{12}Z", value, re.ASCII):
        raise ValueError("it is not of the form YYMMDDhhmmssZ")
    return datetime.strptime(f"20{value[:-1]}", "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)


def _text_or_bytes(value: str) -> str:
    """A distinguished name, in which a value may be of any encoding: then as it came."""
    try:
        return from_wire(value)
    except ValueError:
        return value


_HAPROXY_HEADERS: tuple[Header, ...] = (
    Header("x-ssl-client-used", "%[ssl_c_used]", lambda client: str(int(bool(client.chain))), _read_used),
    Header("x-ssl-client-verify", "%[ssl_c_verify]", _haproxy_number, _read_haproxy_number),
    Header(
        "x-ssl-client-cert",
        "%[ssl_c_der,base64]",
        _sample(base64_der),
        field("certificate", read_base64_der, nothing=""),
    ),
    Header(
        "x-ssl-client-chain",
        "%[ssl_c_chain_der,base64]",
        _haproxy_chain,
        field("chain", lambda value: read_certificates(read_base64(value)), nothing=""),
    ),
    Header(
        "x-ssl-client-s-dn",
        "%[ssl_c_s_dn]",
        _sample(lambda certificate: _encoded(openssl_one_line(certificate.subject))),
        field("subject", _text_or_bytes, nothing=""),
    ),
    Header(
        "x-ssl-client-i-dn",
        "%[ssl_c_i_dn]",
        _sample(lambda certificate: _encoded(openssl_one_line(certificate.issuer))),
        field("issuer", _text_or_bytes, nothing=""),
    ),
    Header(
        "x-ssl-client-serial",
        "%[ssl_c_serial,hex]",
        _sample(openssl_serial),
        field("serial_number", hexadecimal, nothing=""),
    ),
    Header(
        "x-ssl-client-sha1",
        "%[ssl_c_sha1,hex]",
        _sample(lambda certificate: _sha1(certificate).upper()),
        field("fingerprint", fingerprint(20), nothing=""),
    ),
    Header(
        "x-ssl-client-notbefore",
        "%[ssl_c_notbefore]",
        _sample(lambda certificate: _short_time(certificate.not_valid_before_utc)),
        field("not_before", _read_short_time, nothing=""),
    ),
    Header(
        "x-ssl-client-notafter",
        "%[ssl_c_notafter]",
        _sample(lambda certificate: _short_time(certificate.not_valid_after_utc)),
        field("not_after", _read_short_time, nothing=""),
    ),
)


# --- Apache httpd ----------------------------------------------------------------------------------------------------

_UNSET = "(null)"


def _apache(name: str, variable: str, read: Callable[[str], Fields]) -> Header:
    """A header of one variable. ``RequestHeader`` makes a space of each newline, and ``(null)`` of an unset variable."""

    def write(client: Client) -> str:
        return wire(mod_ssl_variables(client.chain, client.failure).get(variable, _UNSET)).replace("\n", " ")

    return Header(name, f"%{{{variable}}}s", write, lambda value: {} if value == _UNSET else read(value))


def _read_spaced_pem(value: str) -> x509.Certificate:
    label = "-----BEGIN CERTIFICATE-----"
    value = value.rstrip(" ")  # most servers strip it
    if "%" in value:
        raise ValueError("it is encoded twice: percent-encoding around PEM")
    body = value.removeprefix(label).removesuffix("-----END CERTIFICATE-----")
    if not value.startswith(label) or body + "-----END CERTIFICATE-----" != value[len(label) :]:
        raise ValueError("it is truncated, or no PEM of a certificate")
    (certificate, *others) = read_pem(f"{label}{body.replace(' ', chr(10))}-----END CERTIFICATE-----")
    if others:
        raise ValueError("it holds more than one certificate")
    return certificate


def _read_apache_verify(value: str) -> Fields:
    return {"presented": True, "verified": False} if value == "GENEROUS" else _read_verify(value)


def _read_openssl_date(value: str) -> datetime:
    match = re.fullmatch(r"(\w{3}) ([ \d]\d) (\d\d:\d\d:\d\d) (\d{4}) GMT", value, re.ASCII)
    if match is None or match[1] not in MONTHS:
        raise ValueError("it is not of the form `Nov 24 09:00:00 2026 GMT`")
    text = f"{match[4]}-{MONTHS.index(match[1]) + 1:02}-{int(match[2]):02}T{match[3]}+00:00"
    return datetime.fromisoformat(text)


_APACHE_HEADERS = (
    _apache("X-SSL-Client-Cert", "SSL_CLIENT_CERT", field("certificate", _read_spaced_pem)),
    _apache("X-SSL-Client-Verify", "SSL_CLIENT_VERIFY", _read_apache_verify),
    _apache("X-SSL-Client-S-DN", "SSL_CLIENT_S_DN", field("subject", from_wire)),
    _apache("X-SSL-Client-I-DN", "SSL_CLIENT_I_DN", field("issuer", from_wire)),
    _apache("X-SSL-Client-Serial", "SSL_CLIENT_M_SERIAL", field("serial_number", hexadecimal)),
    _apache("X-SSL-Client-V-Start", "SSL_CLIENT_V_START", field("not_before", _read_openssl_date)),
    _apache("X-SSL-Client-V-End", "SSL_CLIENT_V_END", field("not_after", _read_openssl_date)),
)

OPENSSL_STYLES = (
    Style(
        "nginx",
        "nginx",
        _nginx(
            {
                "cert": "X-SSL-Client-Cert",
                "verify": "X-SSL-Client-Verify",
                "subject": "X-SSL-Client-S-DN",
                "issuer": "X-SSL-Client-I-DN",
                "serial": "X-SSL-Client-Serial",
                "sha1": "X-SSL-Client-Fingerprint",
            }
        ),
        "https://nginx.org/en/docs/http/ngx_http_ssl_module.html#variables",
        "tells",
        configured=True,
    ),
    Style(
        "ingress-nginx",
        "ingress-nginx",
        _nginx(
            {
                "cert": "ssl-client-cert",
                "verify": "ssl-client-verify",
                "subject": "ssl-client-subject-dn",
                "issuer": "ssl-client-issuer-dn",
            }
        ),
        "https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/#client-certificate-authentication",
        "tells",
        note="The certificate comes only with `auth-tls-pass-certificate-to-upstream: true`.",
    ),
    Style(
        "haproxy",
        "HAProxy",
        _HAPROXY_HEADERS,
        "https://docs.haproxy.org/2.6/configuration.html#7.3.4",
        "tells",
        configured=True,
        note="Without a certificate `ssl_c_verify` is 0 as well: only `ssl_c_used` tells them apart.",
    ),
    Style(
        "apache",
        "Apache httpd",
        _APACHE_HEADERS,
        "https://httpd.apache.org/docs/2.4/mod/mod_ssl.html#envvars",
        "tells",
        configured=True,
        note="A header of an unset variable is `(null)`, not absent. The certificate needs `SSLOptions +ExportCertData`.",
    ),
)
