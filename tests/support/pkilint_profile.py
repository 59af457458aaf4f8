"""pkilint's judgement of certificates and CRLs, and what a private CA is excused from: one table, with reasons."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from pkilint import loader, pkix  # type: ignore[import-untyped]
from pkilint.pkix import certificate, crl, extension, name  # type: ignore[import-untyped]
from pkilint.validation import ValidationFindingSeverity  # type: ignore[import-untyped]

__all__ = ["EXCUSED", "Excuse", "findings"]


@dataclass(frozen=True)
class Excuse:
    """A finding that is none for a private CA.

    Attributes:
        code: pkilint's code of the finding.
        message: glob over its message.
        why: why it does not apply.
    """

    code: str
    message: str
    why: str


EXCUSED = (
    Excuse(
        "pkix.invalid_domain_name_syntax",
        'Invalid domain name syntax: "localhost"',
        "pkilint wants a name of the public DNS, with a dot; localhost is one label by RFC 6761 section 6.3.",
    ),
    Excuse(
        "pkix.invalid_domain_name_syntax",
        'Invalid domain name syntax: "[*].*"',
        "RFC 5280 leaves wildcards open; RFC 9525 section 6.3 says how a leftmost * is matched.",
    ),
    Excuse(
        "pkix.invalid_uri_syntax",
        'Invalid URI syntax: "spiffe://*"',
        "pkilint knows the registered schemes alone; SPIFFE IDs are URIs by RFC 3986 and the SPIFFE X.509-SVID standard.",
    ),
    Excuse(
        "pkix.aki_absent_self_issued_and_unsupported_algorithm",
        "Self-issued CA certificate uses unsupported public key algorithm: 2.16.840.1.101.3.4.3.*",
        "A root needs no authority key identifier; pkilint cannot check an ML-DSA signature to see that it is one.",
    ),
)


def findings(document: x509.Certificate | x509.CertificateRevocationList) -> list[str]:
    """What pkilint finds at NOTICE or above and nothing excuses, as ``SEVERITY code message``."""
    der = document.public_bytes(Encoding.DER)
    if isinstance(document, x509.Certificate):
        parsed = loader.RFC5280CertificateDocumentLoader().load_der_document(der, "certificate")
        results = _certificate_validator().validate(parsed.root)
    else:
        parsed = loader.RFC5280CertificateListDocumentLoader().load_der_document(der, "crl")
        results = _crl_validator().validate(parsed.root)
    return [
        f"{found.finding.severity.name} {found.finding.code} {found.message}"
        for result in results
        for found in result.finding_descriptions
        if found.finding.severity <= ValidationFindingSeverity.NOTICE and not _excused(found)
    ]


def _excused(found: Any) -> bool:
    return any(
        found.finding.code == excuse.code and fnmatch.fnmatchcase(found.message or "", excuse.message)
        for excuse in EXCUSED
    )


@cache
def _certificate_validator() -> Any:
    """The validator of pkilint's ``lint_pkix_cert``."""
    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


@cache
def _crl_validator() -> Any:
    """The validator of pkilint's ``lint_crl``, profile PKIX."""
    return crl.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([]),
            crl.create_extensions_validator_container([]),
        ],
    )
