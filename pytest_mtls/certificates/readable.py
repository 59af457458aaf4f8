"""Certificates of which a part cannot be read.

`cryptography` parses a certificate's parts when they are asked for: one that loads may raise later, and not only `ValueError`.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

__all__ = ["UNREADABLE", "complaint", "problem_of_names"]

#: What `cryptography` raises for bytes that it cannot read: until 46 at least, KeyError for a string of a type unknown to it.
UNREADABLE = (
    ValueError,
    TypeError,
    KeyError,
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
            return f"its {what} cannot be parsed ({complaint(error)})"
    return None


def complaint(error: Exception) -> str:
    """What `cryptography` says of bytes that it cannot read, in one line without a full stop."""
    if isinstance(error, KeyError):
        return f"a string in it is of the unknown type {error}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(".")
