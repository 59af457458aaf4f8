"""A client's certificate as the environment variables of Apache's mod_ssl, which WSGI apps read.

Names and forms are those of the mod_ssl reference, section "Environment Variables": distinguished names in the form of
RFC 2253, serial numbers in upper-case hex, dates as OpenSSL prints them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pytest_mtls.certificates.names import describe_name

__all__ = ["mod_ssl_variables"]

_COMPONENTS = {
    NameOID.COMMON_NAME: "CN",
    NameOID.ORGANIZATION_NAME: "O",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "OU",
    NameOID.COUNTRY_NAME: "C",
    NameOID.STATE_OR_PROVINCE_NAME: "ST",
    NameOID.LOCALITY_NAME: "L",
    NameOID.EMAIL_ADDRESS: "Email",
    NameOID.USER_ID: "UID",
}


def mod_ssl_variables(chain: Sequence[x509.Certificate]) -> dict[str, str]:
    """The ``SSL_CLIENT_*`` variables of a verified client.

    Args:
        chain: the certificates that the client presented, its own first; empty if it presented none.

    Returns:
        The variables; only ``SSL_CLIENT_VERIFY``, which is ``NONE``, without a certificate.
    """
    if not chain:
        return {"SSL_CLIENT_VERIFY": "NONE"}
    certificate = chain[0]
    variables = {
        "SSL_CLIENT_VERIFY": "SUCCESS",
        "SSL_CLIENT_M_VERSION": str(certificate.version.value + 1),
        "SSL_CLIENT_M_SERIAL": f"{certificate.serial_number:X}",
        "SSL_CLIENT_V_START": _openssl_date(certificate.not_valid_before_utc),
        "SSL_CLIENT_V_END": _openssl_date(certificate.not_valid_after_utc),
        "SSL_CLIENT_CERT": certificate.public_bytes(Encoding.PEM).decode(),
        **_name_variables("SSL_CLIENT_S_DN", certificate.subject),
        **_name_variables("SSL_CLIENT_I_DN", certificate.issuer),
        **_alternative_names(certificate),
    }
    for index, issuer in enumerate(chain[1:]):
        variables[f"SSL_CLIENT_CERT_CHAIN_{index}"] = issuer.public_bytes(Encoding.PEM).decode()
    return variables


def _name_variables(prefix: str, name: x509.Name) -> dict[str, str]:
    """The whole name, and each component by its own variable; a repeated component gets ``_1``, ``_2``... appended."""
    variables = {prefix: describe_name(name) if list(name) else ""}
    for oid, label in _COMPONENTS.items():
        for index, attribute in enumerate(name.get_attributes_for_oid(oid)):
            variables[f"{prefix}_{label}" + (f"_{index}" if index else "")] = str(attribute.value)
    return variables


def _alternative_names(certificate: x509.Certificate) -> dict[str, str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return {}
    kinds = (("Email", x509.RFC822Name), ("DNS", x509.DNSName))
    return {
        f"SSL_CLIENT_SAN_{label}_{index}": str(value)
        for label, kind in kinds
        for index, value in enumerate(names.get_values_for_type(kind))
    }


def _openssl_date(moment: datetime) -> str:
    """As OpenSSL's ASN1_TIME_print: ``Nov  4 09:00:00 2026 GMT``, in English whatever the locale."""
    month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][moment.month - 1]
    return f"{month} {moment.day:2d} {moment:%H:%M:%S} {moment.year} GMT"
