"""A rejection counts only beside a good twin, and only if every backend gives the same answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from support.balancer import balancer
from support.unverified_server import unverified_server

from pytest_mtls import (
    CertificateAuthority,
    Endpoint,
    HandshakeAssertionError,
    MutualTLSServer,
    Reason,
    assert_rejected,
)
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.certificates.clock import now
from pytest_mtls.conformance.run import Outcome, Run
from pytest_mtls.errors import InvalidArgument

Factory = Callable[..., MutualTLSServer]

(EXPIRED,) = CATALOGUE["client"].select(["expired"])


def billing_only(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """An app that serves the client called billing, and denies all others."""
    certificate = environ["pytest_mtls.handshake"].peer_certificate
    is_billing = certificate is not None and certificate.subject.rfc4514_string() == "CN=billing"
    start_response("200 OK" if is_billing else "403 Forbidden", [])
    return [b""]


def https(server: MutualTLSServer, **known: Any) -> Endpoint:
    """The endpoint of a server of ours, as if somebody else had written it."""
    return replace(server.endpoint, protocol="https", **known)


def test_denial_by_name_proves_nothing_about_a_certificate(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority
) -> None:
    """A valid client that the app does not know is not rejected for being expired."""
    endpoint = https(mtls_server_factory(billing_only))
    with pytest.raises(HandshakeAssertionError, match="a good client does not get in either"):
        assert_rejected(endpoint, mtls_ca.issue_client("nobody"), Reason.EXPIRED)


def test_denial_is_a_reason_of_its_own(mtls_server_factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """Beside the client that the app knows, a stranger is rejected by the application."""
    endpoint = https(mtls_server_factory(billing_only), client=mtls_ca.issue_client("billing"))
    seen = assert_rejected(endpoint, mtls_ca.issue_client("nobody"), Reason.ACCESS_DENIED)
    assert ("http", "HTTP 403", Reason.ACCESS_DENIED) == (seen.layer, seen.answer, seen.reason)


def test_bad_client_has_the_names_of_the_endpoints_client(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority
) -> None:
    """A case that is rejected by TLS carries the name that the app knows, and so does its control."""
    server = mtls_server_factory(billing_only)
    seen = assert_rejected(https(server, client=mtls_ca.issue_client("billing")), EXPIRED)
    assert Reason.EXPIRED is seen.reason
    assert {"CN=billing"} == {one.peer_certificate.subject.rfc4514_string() for one in server.handshakes}  # type: ignore[union-attr]
    assert assert_rejected(https(server), EXPIRED, like=mtls_ca.issue_client("billing")).reason is Reason.EXPIRED


def test_untrusted_namesake_that_gets_in_is_found_out(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority, mtls_untrusted_ca: CertificateAuthority
) -> None:
    """An app that goes by the name alone lets in the untrusted CA's own billing, behind a 403 for all others."""
    server = mtls_server_factory(billing_only, trust=[mtls_ca, mtls_untrusted_ca])
    impostor = mtls_untrusted_ca.issue_client("billing")
    endpoint = https(server, client=mtls_ca.issue_client("billing"), ca=mtls_ca)
    with pytest.raises(HandshakeAssertionError, match="the server accepted the client"):
        assert_rejected(endpoint, impostor, Reason.UNKNOWN_CA)


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("403 Forbidden", "a good client that got in before does not get in any more"),
        ("429 Too Many Requests", "no verdict"),
    ],
)
def test_server_that_bans_who_comes_often(status: str, told: str, mtls_ca: CertificateAuthority) -> None:
    """A server that verifies nothing, and serves only who comes first, has rejected nobody for a certificate."""
    came: list[x509.Certificate] = []

    def judges(certificate: x509.Certificate) -> str:
        came.append(certificate)
        return "200 OK" if len(came) == 1 else status

    with (
        unverified_server(mtls_ca, judges) as endpoint,
        pytest.raises(HandshakeAssertionError, match=told),
    ):
        assert_rejected(endpoint, EXPIRED)


ISSUERS = [
    "intermediate-expired",
    "issued-by-leaf",
    "issuer-without-cert-sign",
    "self-signed-certificate",
    "unknown-ca",
]


@pytest.mark.parametrize("id", ISSUERS)
def test_denial_by_the_issuers_name_proves_nothing(id: str, mtls_ca: CertificateAuthority) -> None:
    """An application that goes by the issuer's name, where nothing is verified, has found no defect."""
    (case,) = CATALOGUE["client"].select([id])
    right = mtls_ca.certificate.subject
    with unverified_server(mtls_ca, lambda one: "200 OK" if one.issuer == right else "403 No") as endpoint:
        with pytest.raises(
            HandshakeAssertionError, match="another good client, with the same names and issuers' names"
        ):
            assert_rejected(endpoint, case)
        result = Run(endpoint).check(case, "1.3")
    assert result.outcome is Outcome.DEVIATES
    assert "another good client with the same names and issuers' names too" in result.note


def test_denial_of_all_certificates_but_one_proves_nothing(mtls_ca: CertificateAuthority) -> None:
    """An application that knows one certificate, where nothing is verified, would take that one when it has expired, too."""
    known = mtls_ca.issue_client("billing")
    with unverified_server(mtls_ca, lambda one: "200 OK" if one == known.certificate else "403 No") as endpoint:
        known_endpoint = replace(endpoint, client=known)
        with pytest.raises(HandshakeAssertionError, match="another good client, with the same names"):
            assert_rejected(known_endpoint, EXPIRED)
        assert Run(known_endpoint).check(EXPIRED, "1.3").outcome is Outcome.DEVIATES
        stranger = mtls_ca.issue_client("stranger")
        assert Reason.ACCESS_DENIED is assert_rejected(known_endpoint, stranger, Reason.ACCESS_DENIED).reason


def test_application_that_verifies_by_itself_is_right(mtls_ca: CertificateAuthority) -> None:
    """One that looks at the dates has found the defect, though it says only 403."""

    def judges(certificate: x509.Certificate) -> str:
        return "200 OK" if certificate.not_valid_after_utc > now() else "403 Forbidden"

    with unverified_server(mtls_ca, judges) as endpoint:
        assert Reason.ACCESS_DENIED is assert_rejected(endpoint, EXPIRED).reason
        assert Run(endpoint).check(EXPIRED, "1.3").outcome is Outcome.CONFORMS


# --- balancers -------------------------------------------------------------------------------------------------------


def no_rsa(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """An app that denies everybody who has an RSA key, whoever issued the certificate."""
    certificate = environ["pytest_mtls.handshake"].peer_certificate
    start_response("403 Forbidden" if isinstance(certificate.public_key(), RSAPublicKey) else "200 OK", [])
    return [b""]


def test_a_twin_has_a_key_of_the_same_kind(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority, mtls_untrusted_ca: CertificateAuthority
) -> None:
    """A server that trusts the wrong CA is not taken for a good one since its app denies RSA keys."""
    server = mtls_server_factory(no_rsa, trust=[mtls_ca, mtls_untrusted_ca])
    endpoint = https(server, ca=mtls_ca)
    stranger = mtls_untrusted_ca.issue_client("billing", key_kind="rsa2048")
    with pytest.raises(HandshakeAssertionError, match="a good client does not get in either"):
        assert_rejected(endpoint, stranger, Reason.UNKNOWN_CA)
    with pytest.raises(HandshakeAssertionError, match="accepted"):
        assert_rejected(endpoint, mtls_untrusted_ca.issue_client("billing"), Reason.UNKNOWN_CA)


def test_a_twin_has_another_key_where_the_key_is_the_reason(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority
) -> None:
    """An application that denies a kind of key is proved by a twin with another one."""
    endpoint = https(mtls_server_factory(no_rsa), ca=mtls_ca)
    rsa = mtls_ca.issue_client("billing", key_kind="rsa2048")
    assert Reason.ACCESS_DENIED is assert_rejected(endpoint, rsa, Reason.WEAK_KEY).reason


@pytest.mark.parametrize("strict", [1, 2])
def test_backend_without_verification_is_found_out(
    strict: int, mtls_server_factory: Factory, mtls_ca: CertificateAuthority
) -> None:
    """Behind a balancer of two or three, one backend that asks for no certificate gives another answer."""
    backends = [mtls_server_factory() for _ in range(strict)]
    lax = mtls_server_factory(client_certs="none")
    for order in ([*backends, lax], [lax, *backends]):
        with balancer(*order) as port:
            endpoint = Endpoint("127.0.0.1", port, "https", server_name="localhost", trust=mtls_ca, ca=mtls_ca)
            with pytest.raises(HandshakeAssertionError, match="the server gives different answers to the same client"):
                assert_rejected(endpoint, EXPIRED)


@pytest.mark.parametrize("attempts", [0, 2, -1, True, "3"])
def test_attempts_are_an_odd_number(attempts: Any, mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """An even number would keep step with a balancer of two."""
    with pytest.raises(InvalidArgument, match="attempts"):
        assert_rejected(mtls_server, mtls_ca.issue_client(not_before=-3, not_after=-1), attempts=attempts)


# --- a control that was seen before ----------------------------------------------------------------------------------


def subjects(server: MutualTLSServer) -> list[str]:
    """Who came, in this order."""
    return [one.peer_certificate.subject.rfc4514_string() for one in server.handshakes if one.peer_certificate]


def test_good_client_is_not_asked_for_again(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """A server of this process has on record that it accepted the twin; each version and name of its own counts."""
    expired = mtls_ca.issue_client("alice", not_before=-3, not_after=-1)
    for _ in range(3):
        assert_rejected(mtls_server, expired, Reason.EXPIRED)
    assert ["CN=alice"] * 4 == subjects(mtls_server)
    assert_rejected(mtls_server, expired, Reason.EXPIRED, tls="1.2")
    assert ["CN=alice"] * 6 == subjects(mtls_server)
    assert_rejected(mtls_server, expired, Reason.EXPIRED, server_name="127.0.0.1")
    assert ["CN=alice"] * 8 == subjects(mtls_server)


def test_what_changes_at_the_server_makes_it_forget(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority
) -> None:
    """After another trust, or a revocation, the good client has to get in again."""
    expired = mtls_ca.issue_client("alice", not_before=-3, not_after=-1)
    assert_rejected(mtls_server, expired, Reason.EXPIRED)
    mtls_server.reload(trust=CertificateAuthority.create())
    with pytest.raises(HandshakeAssertionError, match="a good client does not get in either"):
        assert_rejected(mtls_server, expired, Reason.EXPIRED, ca=mtls_ca)
    mtls_server.reload(trust=mtls_ca)
    before = len(subjects(mtls_server))
    assert_rejected(mtls_server, expired, Reason.EXPIRED)
    assert before + 2 == len(subjects(mtls_server))
    mtls_ca.revoke(mtls_ca.issue_client())
    assert_rejected(mtls_server, expired, Reason.EXPIRED)
    assert before + 4 == len(subjects(mtls_server))
