"""Certificates of which a part cannot be read.

`cryptography` parses a certificate's parts when they are asked for: one that loads may raise later, and not only `ValueError`.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

__all__ = ["UNREADABLE", "problem_of_names"]

#: What `cryptography` raises for bytes that it cannot read.
UNREADABLE = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


def problem_of_names(certificate: x509.Certificate) -> str | None:
    """Why subject or issuer of a certificate cannot be read; None if both can."""
    for what in ("subject", "issuer"):
        try:
            getattr(certificate, what).rfc4514_string()
        except UNREADABLE as error:
            text = str(error).split("\n")[0].strip().rstrip(".")
            return f"its {what} cannot be parsed ({text})"
    return None
