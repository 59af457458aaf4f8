"""RFC 9440, and Envoy's header, in which everything is in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256

from pytest_mtls.certificates.names import alternative_names
from pytest_mtls.certificates.printed import openssl_rfc2253
from pytest_mtls.proxies.encodings import (
    base64_der,
    percent_encoded_pem,
    read_base64_der,
    read_percent_encoded_pem,
)
from pytest_mtls.proxies.style import Client, Fields, Header, Style, field, fingerprint, of_certificate

__all__ = ["STANDARD_STYLES", "byte_sequence", "byte_sequences", "read_byte_sequence", "read_byte_sequences"]


def byte_sequence(certificate: x509.Certificate) -> str:
    """A certificate as a structured field's byte sequence (RFC 9440 section 2.1, RFC 8941 section 3.3.5)."""
    return f":{base64_der(certificate)}:"


def byte_sequences(certificates: tuple[x509.Certificate, ...]) -> str:
    """Certificates as a list of byte sequences (RFC 9440 section 2.3)."""
    return ", ".join(map(byte_sequence, certificates))


def read_byte_sequence(value: str) -> x509.Certificate:
    """The certificate that `byte_sequence` wrote."""
    if "," in value:
        raise ValueError("it holds more than one certificate")
    if len(value) < 2 or value[0] != ":" or value[-1] != ":":
        raise ValueError("it is truncated, or no byte sequence, which stands between colons")
    return read_base64_der(value[1:-1])


def read_byte_sequences(value: str) -> tuple[x509.Certificate, ...]:
    """The certificates that `byte_sequences` wrote."""
    return tuple(read_byte_sequence(member.strip(" \t")) for member in value.split(","))


def _chain(client: Client) -> str | None:
    return byte_sequences(client.chain[1:]) or None


# --- Envoy -----------------------------------------------------------------------------------------------------------


def _element(client: Client) -> str | None:
    """One element; its pairs are in the order of ``ConnectionManagerUtility::mutateXfccRequestHeader``."""
    if not client.chain:
        return None
    certificate = client.chain[0]
    pairs = [
        *(f"By={uri}" for uri in ([] if client.proxy is None else _uris(client.proxy))),
        f"Hash={certificate.fingerprint(SHA256()).hex()}",
        f'Cert="{percent_encoded_pem(client.chain[:1])}"',
        f'Chain="{percent_encoded_pem(client.chain)}"',
        f'Subject="{openssl_rfc2253(certificate.subject)}"',
        *(f"URI={uri}" for uri in _uris(certificate) or [""]),
        *(f"DNS={name}" for name in alternative_names(certificate, x509.DNSName)),
    ]
    return ";".join(pairs)


def _uris(certificate: x509.Certificate) -> list[str]:
    return alternative_names(certificate, x509.UniformResourceIdentifier)


_REPEATABLE = frozenset({"by", "uri", "dns"})
_KEYS = _REPEATABLE | {"hash", "cert", "chain", "subject"}


#: Where a value without quotation marks ends: Envoy escapes nothing in a URI, which may hold commas and semicolons.
_NEXT_PAIR = re.compile(rf"[,;](?=(?:{'|'.join(sorted(_KEYS))})=)", re.IGNORECASE)


def _read_element(value: str) -> Fields:
    pairs: dict[str, list[str]] = {}
    for key, text in _pairs(value):
        known = pairs.setdefault(key.lower(), [])
        if known and key.lower() not in _REPEATABLE:
            raise ValueError(f"it has {key} twice")
        known.append(text)
    fields: dict[str, object] = {}
    if "hash" in pairs:
        fields["fingerprint"] = fingerprint(32)(pairs["hash"][0])
    if "cert" in pairs:
        (fields["certificate"],) = read_percent_encoded_pem(pairs["cert"][0])
    if "chain" in pairs:
        first, *others = read_percent_encoded_pem(pairs["chain"][0])
        if fields.setdefault("certificate", first) != first:
            raise ValueError("Chain begins with another certificate than Cert")
        fields["chain"] = tuple(others)
    if "subject" in pairs:
        fields["subject"] = pairs["subject"][0]
    if "uri" in pairs or "dns" in pairs:
        fields["sans"] = tuple(filter(None, [*pairs.get("uri", ()), *pairs.get("dns", ())]))
    return fields


def _pairs(value: str) -> Iterator[tuple[str, str]]:
    """The pairs of the only element. A value may stand in quotation marks, where a backslash precedes one in it."""
    rest = value
    while True:
        key, equals, rest = rest.partition("=")
        if not equals:
            raise ValueError("it is truncated, or no list of key=value")
        if key.lower() not in _KEYS:
            raise ValueError(f"it has no key {key!r}")
        if rest.startswith('"'):
            text, rest = _quoted(rest)
        else:
            end = _NEXT_PAIR.search(rest)
            length = len(rest) if end is None else end.start()
            text, rest = rest[:length], rest[length:]
        yield key, text
        if not rest:
            return
        if rest[0] == ",":
            raise ValueError("it holds an element for each of several hops; read the last, the nearest proxy's own")
        rest = rest[1:]


def _quoted(text: str) -> tuple[str, str]:
    index = 1
    while index < len(text) and text[index] != '"':
        index += 2 if text[index] == "\\" else 1
    if index >= len(text):
        raise ValueError("it is truncated: a quotation mark is missing")
    rest = text[index + 1 :]
    if rest and rest[0] not in ",;":
        raise ValueError("something follows a quoted value")
    return text[1:index], rest


STANDARD_STYLES = (
    Style(
        "rfc9440",
        "RFC 9440",
        (
            Header(
                "Client-Cert",
                "the certificate",
                of_certificate(byte_sequence),
                field("certificate", read_byte_sequence),
            ),
            Header(
                "Client-Cert-Chain",
                "what followed it, if anything",
                _chain,
                field("chain", read_byte_sequences),
                is_list=True,
            ),
        ),
        "https://www.rfc-editor.org/rfc/rfc9440",
        "silent",
        note="Either header may also be absent where a session was resumed.",
    ),
    Style(
        "envoy",
        "Envoy",
        (
            Header(
                "x-forwarded-client-cert",
                "forward_client_cert_details: SANITIZE_SET, with all details set",
                _element,
                _read_element,
            ),
        ),
        "https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/headers#x-forwarded-client-cert",
        "silent",
        note="`By` is there only where Envoy's own certificate has a URI: pass that as `proxy`.",
    ),
)
