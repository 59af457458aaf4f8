"""Servers that are odd in what they do and not in what they present: for a client that has to live with them.

All are informative: what a client makes of them is for its own tests to say. What a server of such a case does is the
business of `pytest_mtls.server.misbehaviour`; here it has its name.
"""

from __future__ import annotations

from pytest_mtls.cases.behaviour import ServerBehaviour
from pytest_mtls.cases.case import Tier, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity


@case("server", tier=Tier.INFORMATIVE, behaviour=ServerBehaviour(client_certs="none"))
def asks_for_no_certificate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The server does not ask the client for a certificate: it is not who the client thinks, or badly set up."""
    return leaf(ca)


@case("server", tier=Tier.INFORMATIVE, behaviour=ServerBehaviour(client_certs="optional"))
def certificate_optional(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The server asks the client for a certificate, and would go on without."""
    return leaf(ca)


@case("server", tier=Tier.INFORMATIVE, behaviour=ServerBehaviour(tls="1.2"))
def tls_1_2_only(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The server speaks only TLS 1.2."""
    return leaf(ca)


@case("server", tier=Tier.INFORMATIVE, behaviour=ServerBehaviour(tls="1.3"))
def tls_1_3_only(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The server speaks only TLS 1.3."""
    return leaf(ca)


@case("server", tier=Tier.INFORMATIVE, behaviour=ServerBehaviour(misbehaviour="close"))
def closes_during_handshake(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The server closes the connection when the client has said hello."""
    return leaf(ca)


@case("server", tier=Tier.INFORMATIVE, behaviour=ServerBehaviour(misbehaviour="reset"))
def resets_during_handshake(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The server resets the connection when the client has said hello."""
    return leaf(ca)


@case("server", tier=Tier.INFORMATIVE, behaviour=ServerBehaviour(misbehaviour="reset after handshake"))
def resets_after_handshake(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The server resets the connection as soon as the handshake is done."""
    return leaf(ca)


@case("server", tier=Tier.INFORMATIVE, behaviour=ServerBehaviour(misbehaviour="hang"))
def hangs(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The server takes the connection and never answers."""
    return leaf(ca)


@case("server", tier=Tier.INFORMATIVE, behaviour=ServerBehaviour(misbehaviour="http"))
def speaks_plain_http(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The server speaks HTTP without TLS."""
    return leaf(ca)


@case("server", tier=Tier.INFORMATIVE, behaviour=ServerBehaviour(misbehaviour="alert"))
def sends_alert_at_once(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The server answers the client's hello with a fatal handshake_failure."""
    return leaf(ca)
