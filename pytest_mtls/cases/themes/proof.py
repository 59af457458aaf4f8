"""Proofs of possession that are missing or spoilt: CertificateVerify messages that no TLS library sends of itself.

The client's certificate and key are good. What is done to the message is the business of
`pytest_mtls.client.misbehaving`, which needs the extra ``wire``; here it has its name.
"""

from __future__ import annotations

from collections.abc import Callable

from pytest_mtls.cases.behaviour import ClientBehaviour, ClientMisbehaviour
from pytest_mtls.cases.case import Function, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.reasons.reason import Reason


def _spoilt(reason: Reason, misbehaviour: ClientMisbehaviour) -> Callable[[Function], Function]:
    return case("client", reason, rfc="RFC 8446 section 4.4.3", behaviour=ClientBehaviour(misbehaviour))


@_spoilt(Reason.UNEXPECTED_MESSAGE, "certificate verify missing")
def certificate_verify_missing(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The client shows a certificate, and leaves out the proof that it has the key."""
    return leaf(ca)


@_spoilt(Reason.POSSESSION_NOT_PROVED, "certificate verify fuzzed")
def certificate_verify_fuzzed(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """One bit of the proof's signature is wrong."""
    return leaf(ca)


@_spoilt(Reason.POSSESSION_NOT_PROVED, "certificate verify empty")
def certificate_verify_empty(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The proof's signature is of no bytes."""
    return leaf(ca)


@_spoilt(Reason.POSSESSION_NOT_PROVED, "certificate verify undefined")
def certificate_verify_undefined_algorithm(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The proof names a signature algorithm that nobody has defined, and no server offers."""
    return leaf(ca)


@_spoilt(Reason.POSSESSION_NOT_PROVED, "certificate verify of another kind of key")
def certificate_verify_of_another_key_type(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The proof names a signature algorithm of RSA keys, and the key is of an elliptic curve."""
    return leaf(ca)
