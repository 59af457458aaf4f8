"""The OCSP responder that a run starts where the setting ``ocsp`` is claimed, so that the certificates it issues name one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.conformance.policy import Policy
from pytest_mtls.server.ocsp import OCSPResponder

__all__ = ["answered", "answering"]

_OCSP = "ocsp"


@contextmanager
def answering(ca: CertificateAuthority) -> Iterator[OCSPResponder]:
    """Run a responder of this CA; all that the CA issues meanwhile names it.

    Raises:
        MissingPrivateKey: the CA's key is not here.
    """
    before = ca.ocsp_url
    # By its address, since a server under test may need a resolver for any name.
    with OCSPResponder(ca, delegated=True, host="127.0.0.1") as responder:
        ca.ocsp_url = responder.url
        try:
            yield responder
        finally:
            ca.ocsp_url = before


@contextmanager
def answered(target: Endpoint, policy: Policy) -> Iterator[Endpoint]:
    """The target as it can be judged: where it claims ``ocsp``, with a responder that runs meanwhile.

    Clients that were made beforehand name no responder, so that all are made anew then. Without the CA's key nothing
    changes.
    """
    ca = target.ca
    if _OCSP not in policy.settings or ca is None or ca.private_key is None:
        yield target
        return
    with answering(ca):
        is_usable = target.client is not None and _names_responder(target.client)
        yield replace(target, client=target.client if is_usable else ca.issue_client(), client_cases=None)


def _names_responder(identity: Identity) -> bool:
    try:
        access = identity.certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return False
    return any(one.access_method == AuthorityInformationAccessOID.OCSP for one in access)
