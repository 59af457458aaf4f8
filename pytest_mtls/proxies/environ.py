"""A client's certificate as the environment of a WSGI app, and in the scope of an ASGI app.

WSGI apps read the environment variables of Apache's mod_ssl. Names and forms are those of the mod_ssl reference, section
"Environment Variables": distinguished names in the form of RFC 2253, serial numbers in upper-case hex, dates as OpenSSL
prints them. ASGI apps read the TLS extension, version 0.2 (asgiref, specs/tls.rst).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pytest_mtls.certificates.names import alternative_names, describe_name
from pytest_mtls.certificates.printed import openssl_date, openssl_rfc2253, openssl_serial, openssl_text
from pytest_mtls.certificates.readable import problem_of_names

__all__ = ["mod_ssl_variables", "tls_extension"]

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


def mod_ssl_variables(chain: Sequence[x509.Certificate], failure: str | None = None) -> dict[str, str]:
    """The ``SSL_CLIENT_*`` variables of a client.

    Args:
        chain: the certificates that the client presented, its own first; empty if it presented none.
        failure: why it was not verified, in OpenSSL's words; None if it was.

    Returns:
        The variables; only ``SSL_CLIENT_VERIFY``, which is ``NONE``, without a certificate. Those of names that cannot
        be parsed are left out.
    """
    if not chain:
        return {"SSL_CLIENT_VERIFY": "NONE"}
    certificate = chain[0]
    variables = {
        "SSL_CLIENT_VERIFY": "SUCCESS" if failure is None else f"FAILED:{failure}",
        "SSL_CLIENT_M_VERSION": str(certificate.version.value + 1),
        "SSL_CLIENT_M_SERIAL": openssl_serial(certificate),
        "SSL_CLIENT_V_START": openssl_date(certificate.not_valid_before_utc),
        "SSL_CLIENT_V_END": openssl_date(certificate.not_valid_after_utc),
        "SSL_CLIENT_CERT": _pem(certificate),
        **_alternative_names(certificate),
    }
    if problem_of_names(certificate) is None:
        variables |= _name_variables("SSL_CLIENT_S_DN", certificate.subject)
        variables |= _name_variables("SSL_CLIENT_I_DN", certificate.issuer)
    for index, issuer in enumerate(chain[1:]):
        variables[f"SSL_CLIENT_CERT_CHAIN_{index}"] = _pem(issuer)
    return variables


def _name_variables(prefix: str, name: x509.Name) -> dict[str, str]:
    """The whole name, and each component by its own variable; a repeated component gets ``_1``, ``_2``... appended."""
    variables = {prefix: openssl_rfc2253(name, ascii_only=False)}
    for oid, label in _COMPONENTS.items():
        for index, attribute in enumerate(name.get_attributes_for_oid(oid)):
            variables[f"{prefix}_{label}" + (f"_{index}" if index else "")] = openssl_text(str(attribute.value))
    return variables


def _alternative_names(certificate: x509.Certificate) -> dict[str, str]:
    kinds = (("Email", x509.RFC822Name), ("DNS", x509.DNSName))
    return {
        f"SSL_CLIENT_SAN_{label}_{index}": value
        for label, kind in kinds
        for index, value in enumerate(alternative_names(certificate, kind))
    }


def tls_extension(
    chain: Sequence[x509.Certificate],
    *,
    failure: str | None = None,
    server_cert: x509.Certificate | None = None,
    tls_version: int | None = None,
    cipher_suite: int | None = None,
) -> dict[str, Any]:
    """What ``scope["extensions"]["tls"]`` says of a connection.

    Args:
        chain: the certificates that the client presented, its own first; empty if it presented none.
        failure: why it was not verified; None if it was.
        server_cert: the certificate that the server presented, if it is known.
        tls_version: the number of the TLS version, such as 0x0304.
        cipher_suite: the number of the cipher suite, such as 0x1301.
    """
    return {
        "server_cert": None if server_cert is None else _pem(server_cert),
        "client_cert_chain": list(map(_pem, chain)),
        "client_cert_name": describe_name(chain[0].subject) if chain and not problem_of_names(chain[0]) else None,
        "client_cert_error": failure if chain else None,
        "tls_version": tls_version,
        "cipher_suite": cipher_suite,
    }


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()
