"""The control beside each rejection: a good client that is the bad one's twin, with the same names and without the defect."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pytest_mtls.cases.case import Case
from pytest_mtls.cases.presentation import PeerArgument
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind
from pytest_mtls.certificates.profile import authority_profile, client_profile
from pytest_mtls.certificates.readable import UNREADABLE
from pytest_mtls.certificates.validity import now
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.client.plan import ProbePlan
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.verdict.expected import Expected

__all__ = ["control_of", "good_client", "has_names_of", "namesake_of", "own_der", "twin_of"]

_Key = TypeVar("_Key")
_Certified = TypeVar("_Certified", Identity, CertificateAuthority)

#: The themes of cases whose defect is a name, so that their control cannot have the same.
_THEMES_OF_NAMES = ("names", "constraints")

#: Reasons that are about a key or what it signs with, so that a control has to have another.
_REASONS_OF_KEYS = frozenset({Reason.WEAK_KEY, Reason.NO_COMMON_PARAMETERS, Reason.UNSPECIFIED, Reason.BAD_CERTIFICATE})

#: How long a client that is kept as a control still has to be valid to be used again.
_LEFT = timedelta(hours=1)
_MOST_KEPT = 256
_CONTROL = "control"

#: The controls that were issued, by CA, names and kind of key; the oldest goes first.
_KEPT: OrderedDict[tuple[bytes, bytes, bytes, KeyKind], Identity] = OrderedDict()
#: The CAs that were made for namesakes, by the CA above and name.
_KEPT_AUTHORITIES: OrderedDict[tuple[bytes, bytes], CertificateAuthority] = OrderedDict()


def good_client(target: Endpoint, issuer: CertificateAuthority | None) -> Identity | None:
    """A client that the server has to accept; None if there is none and no CA that could issue one."""
    if target.client is not None:
        return target.client
    if issuer is None or issuer.private_key is None:
        return None
    return _issued(issuer, x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _CONTROL)]), ())


def control_of(plan: ProbePlan, client: PeerArgument | None, expected: Expected) -> tuple[ProbePlan | None, bool]:
    """The probe of a good client beside the one that is judged.

    Args:
        plan: the probe that is judged.
        client: what the caller asked to present: a case knows what it is about.
        expected: what is expected of it.

    Returns:
        The probe, None where no good client is known; and whether nothing but the defect tells the two clients apart.
    """
    general = good_client(plan.target, plan.issuer)
    identity = plan.presents.identity
    is_about_names = isinstance(client, Case) and client.theme in _THEMES_OF_NAMES
    is_about_a_certificate = any(reason is not Reason.ACCESS_DENIED for reason in expected.reasons)
    if identity is None or is_about_names or not is_about_a_certificate:
        good, is_twin = general, identity is None or is_about_names
    else:
        kind = (
            None if isinstance(client, Case) or not _REASONS_OF_KEYS.isdisjoint(expected.reasons) else _kind(identity)
        )
        if general is not None and has_names_of(general, identity) and kind in (None, _kind(general)):
            return plan.presenting(general), True
        twin = twin_of(identity, plan.issuer, kind)
        good, is_twin = (general, False) if twin is None else (twin, True)
    return (None if good is None else plan.presenting(good)), is_twin


def namesake_of(plan: ProbePlan) -> ProbePlan | None:
    """The probe of yet another good client, with the names of the one that is judged and from CAs with its issuers' names.

    Returns:
        None where a twin from the CA itself, made here, is the same; where a CA cannot have the name; where the server
        goes by CRLs that were written before, and know of no new CA; and where no CA is here that could issue one.
    """
    identity, issuer = plan.presents.identity, plan.issuer
    if identity is None or issuer is None or issuer.private_key is None:
        return None
    try:
        names = list(_issuers_names(identity, issuer))
    except UNREADABLE:
        return None
    is_control_the_servers_own = plan.target.client is not None
    if not names and not is_control_the_servers_own:
        return None
    if names and (plan.target.client_cases is not None or not all(map(list, names))):
        return None
    for name in reversed(names):
        issuer = _authority(issuer, name)
    twin = twin_of(identity, issuer)
    return None if twin is None else plan.presenting(twin)


def _issuers_names(identity: Identity, issuer: CertificateAuthority) -> Iterator[x509.Name]:
    """The names of the CAs between a client and the CA, the client's own issuer first."""
    name = identity.certificate.issuer
    for certificate in identity.chain[1:]:
        if certificate.subject == name != issuer.certificate.subject:
            yield name
            name = certificate.issuer
    if name != issuer.certificate.subject:
        yield name


def _authority(above: CertificateAuthority, name: x509.Name) -> CertificateAuthority:
    """A sound CA of this name, one for each CA and name."""
    key = (above.certificate.public_bytes(Encoding.DER), name.public_bytes())
    return _kept(_KEPT_AUTHORITIES, key, lambda: above.issue_authority(authority_profile(name, path_length=None)))


def own_der(identity: Identity | None) -> bytes | None:
    """The DER of a client's own certificate, for `Evidence`; None for a client without one."""
    return None if identity is None else identity.certificate.public_bytes(Encoding.DER)


def twin_of(client: Identity, issuer: CertificateAuthority | None, kind: KeyKind | None = None) -> Identity | None:
    """A good client with this one's subject and alternative names; None if it cannot be issued.

    Names that cannot be read, or that no good certificate may have, have no twin.

    Args:
        client: the client.
        issuer: who issues its twin.
        kind: the kind of the twin's key; the ordinary one by default.
    """
    names = _names(client.certificate)
    if names is None or issuer is None or issuer.private_key is None:
        return None
    return _issued(issuer, *names, kind)


def has_names_of(control: Identity, client: Identity) -> bool:
    """Whether two certificates have the same subject and alternative names."""
    names = _names(client.certificate)
    return names is not None and names == _names(control.certificate)


def _kind(client: Identity) -> KeyKind | None:
    """The kind of a client's key; None for one that no good client has, or that cannot be read."""
    try:
        return KeyKind.of(client.certificate.public_key())
    except UNREADABLE:
        return None


def _names(certificate: x509.Certificate) -> tuple[x509.Name, tuple[x509.GeneralName, ...]] | None:
    try:
        subject = certificate.subject
        extensions = certificate.extensions
    except UNREADABLE:
        return None
    try:
        sans = tuple(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        sans = ()
    return (subject, sans) if list(subject) or sans else None


def _issued(
    issuer: CertificateAuthority,
    subject: x509.Name,
    sans: tuple[x509.GeneralName, ...],
    kind: KeyKind | None = None,
) -> Identity:
    kind = kind or KeyKind.P256
    key = (issuer.certificate.public_bytes(Encoding.DER), subject.public_bytes(), repr(sans).encode(), kind)

    def issue() -> Identity:
        return issuer.issue(replace(client_profile(_CONTROL), subject=subject, sans=sans), key_kind=kind)

    return _kept(_KEPT, key, issue)


def _kept(store: OrderedDict[_Key, _Certified], key: _Key, issue: Callable[[], _Certified]) -> _Certified:
    """What was issued before, unless it ends soon; else it is issued now, and the oldest is forgotten."""
    kept = store.get(key)
    if kept is None or kept.certificate.not_valid_after_utc < now() + _LEFT:
        kept = store[key] = issue()
        while len(store) > _MOST_KEPT:
            store.popitem(last=False)
    return kept
