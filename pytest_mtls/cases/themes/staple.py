"""The OCSP answer that a server staples to its certificate (RFC 6066 section 8), and certificates that demand one (RFC 7633).

The answer is about the server's own certificate, and goes to clients that ask for one. The certificate itself is in order and
on no CRL: what is wrong is the answer.
"""

from __future__ import annotations

from collections.abc import Callable

from pytest_mtls.cases.behaviour import ServerBehaviour
from pytest_mtls.cases.case import Function, Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.stapling import Staple
from pytest_mtls.certificates.status_urls import MUST_STAPLE
from pytest_mtls.reasons.reason import Reason

_STAPLED, _DEMANDED = "RFC 6066 section 8", "RFC 7633 section 4"


def _stapled(staple: Staple, reason: Reason | None = None) -> Callable[[Function], Function]:
    """A client that asked for the answer has to check it, and to end the handshake if it is not satisfactory."""
    behaviour = ServerBehaviour(staple=staple)
    return case("server", reason, tier=Tier.SETTING, requires=["staple"], rfc=_STAPLED, behaviour=behaviour)


def _demanded(staple: Staple, reason: Reason | None = None) -> Callable[[Function], Function]:
    """The certificate says that the server has promised a good answer, so that there is no excuse for another."""
    behaviour = ServerBehaviour(staple=staple)
    return case("server", reason, tier=Tier.SETTING, requires=["must-staple"], rfc=_DEMANDED, behaviour=behaviour)


def _demanding(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    return leaf(ca, extra_extensions=(MUST_STAPLE,))


@case("server", tier=Tier.GOOD, rfc=_STAPLED, behaviour=ServerBehaviour(staple="current"))
def staple_good(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The stapled OCSP answer says that the certificate is good; a client that does not ask accepts it as well."""
    return leaf(ca)


@case("server", tier=Tier.INFORMATIVE, rfc=_STAPLED, behaviour=ServerBehaviour(staple="absent"))
def staple_absent(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The server staples no OCSP answer, as most do; some clients can be told to insist on one."""
    return leaf(ca)


@_stapled("revoked", Reason.REVOKED)
def staple_revoked(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The stapled OCSP answer says that the certificate is revoked, and no CRL does."""
    return leaf(ca)


@_stapled("stale")
def staple_stale(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The stapled OCSP answer says that the certificate is good, and the time of that answer ended a day ago."""
    return leaf(ca)


@_stapled("forged")
def staple_forged(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The stapled OCSP answer says that the certificate is good, and somebody else signed it in the responder's name."""
    return leaf(ca)


@_stapled("of another issuer")
def staple_of_another_issuer(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The stapled OCSP answer says that the certificate is good, and a CA signed it that did not issue the certificate."""
    return leaf(ca)


@_stapled("of an unauthorized signer")
def staple_of_unauthorized_signer(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The stapled OCSP answer says that the certificate is good, and an ordinary client of the CA signed it."""
    return leaf(ca)


@_stapled("unknown")
def staple_unknown(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The stapled OCSP answer says that the responder does not know the certificate."""
    return leaf(ca)


@_stapled("try later")
def staple_try_later(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The stapled OCSP answer says that the responder could not answer."""
    return leaf(ca)


@case("server", tier=Tier.GOOD, rfc=_DEMANDED, behaviour=ServerBehaviour(staple="current"))
def must_staple_good(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate demands a stapled OCSP answer, and the one that comes says that it is good."""
    return _demanding(ca, leaf)


@_demanded("absent")
def must_staple_absent(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate demands a stapled OCSP answer, and none comes."""
    return _demanding(ca, leaf)


@_demanded("revoked", Reason.REVOKED)
def must_staple_revoked(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate demands a stapled OCSP answer, and the one that comes says that it is revoked; no CRL does."""
    return _demanding(ca, leaf)


@_demanded("stale")
def must_staple_stale(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate demands a stapled OCSP answer, and the time of the one that comes ended a day ago."""
    return _demanding(ca, leaf)


@_demanded("forged")
def must_staple_forged(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate demands a stapled OCSP answer, and somebody else than its responder signed the one that comes."""
    return _demanding(ca, leaf)


@_demanded("unknown")
def must_staple_unknown(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate demands a stapled OCSP answer, and the one that comes says that the responder does not know it."""
    return _demanding(ca, leaf)


@_demanded("try later")
def must_staple_try_later(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The certificate demands a stapled OCSP answer, and the one that comes says that the responder could not answer."""
    return _demanding(ca, leaf)
