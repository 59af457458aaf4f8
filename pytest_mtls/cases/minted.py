"""Clients of cases that were minted as files before the server under test was started.

What a server loads at its start, such as a CRL, knows these and no certificate that is made later.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from cryptography import x509
from cryptography.utils import CryptographyDeprecationWarning

from pytest_mtls.cases.case import Case, Tier
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.validity import now
from pytest_mtls.errors import UnreadableCertificate

__all__ = ["minted_identity"]


def minted_identity(directory: str | os.PathLike[str], case: Case) -> Identity | None:
    """What a case presents, from ``<id>.crt`` and ``<id>.key``.

    Args:
        directory: where they are.
        case: the case.

    Returns:
        Its certificates in the order of the file, with the key unchecked, since a bad client's may be anybody's. None
        where there are no such files, and for a good client whose certificate is no longer valid.

    Raises:
        UnreadableCertificate: the file holds no certificate.
    """
    cert, key = (Path(directory, f"{case.id}.{kind}") for kind in ("crt", "key"))
    try:
        cert_pem, key_pem = cert.read_bytes(), key.read_bytes()
    except FileNotFoundError:
        return None
    try:
        with warnings.catch_warnings():  # of a serial number that is not positive, which is what some cases are about
            warnings.simplefilter("ignore", CryptographyDeprecationWarning)
            chain = tuple(x509.load_pem_x509_certificates(cert_pem))
    except ValueError as error:
        raise UnreadableCertificate(str(cert), str(error)) from error
    if case.tier is Tier.GOOD and chain[0].not_valid_after_utc < now():
        return None
    return Identity(chain, raw_key_pem=key_pem)
