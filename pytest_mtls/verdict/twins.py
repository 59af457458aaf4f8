"""The control beside each rejection: a good client that is the bad one's twin, with the same names and without the defect."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.profile import client_profile
from pytest_mtls.certificates.validity import now
from pytest_mtls.client.endpoint import Endpoint

__all__ = ["good_client", "has_names_of", "twin_of"]

#: How long a client that is kept as a control still has to be valid to be used again.
_LEFT = timedelta(hours=1)
_MOST_KEPT = 256
_CONTROL = "control"

#: The controls that were issued, by CA and names; the oldest goes first.
_KEPT: OrderedDict[tuple[bytes, bytes, bytes], Identity] = OrderedDict()


def good_client(target: Endpoint, issuer: CertificateAuthority | None) -> Identity | None:
    """A client that the server has to accept; None if there is none and no CA that could issue one."""
    if target.client is not None:
        return target.client
    if issuer is None or issuer.private_key is None:
        return None
    return _issued(issuer, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _CONTROL)]), ())


def twin_of(client: Identity, issuer: CertificateAuthority | None) -> Identity | None:
    """A good client with this one's subject and alternative names; None if it cannot be issued.

    Names that cannot be read, or that no good certificate may have, have no twin.
    """
    names = _names(client.certificate)
    if names is None or issuer is None or issuer.private_key is None:
        return None
    return _issued(issuer, *names)


def has_names_of(control: Identity, client: Identity) -> bool:
    """Whether two certificates have the same subject and alternative names."""
    names = _names(client.certificate)
    return names is not None and names == _names(control.certificate)


def _names(certificate: x509.Certificate) -> tuple[x509.Name, tuple[x509.GeneralName, ...]] | None:
    try:
        subject = certificate.subject
        extensions = certificate.extensions
    except (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, Warning):
        return None
    try:
        sans = tuple(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        sans = ()
    return (subject, sans) if list(subject) or sans else None


def _issued(issuer: CertificateAuthority, subject: x509.Name, sans: tuple[x509.GeneralName, ...]) -> Identity:
    key = (issuer.certificate.public_bytes(Encoding.DER), subject.public_bytes(), repr(sans).encode())
    kept = _KEPT.get(key)
    if kept is None or kept.certificate.not_valid_after_utc < now() + _LEFT:
        profile = replace(client_profile(_CONTROL), subject=subject, sans=sans)
        kept = _KEPT[key] = issuer.issue(profile)
        while len(_KEPT) > _MOST_KEPT:
            _KEPT.popitem(last=False)
    return kept
