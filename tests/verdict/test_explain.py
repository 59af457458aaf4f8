"""What a failed assertion says, to the letter, and that nothing a peer sends can keep it from saying it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mtls import (
    Alert,
    CertificateAuthority,
    Handshake,
    HandshakeAssertionError,
    Identity,
    MutualTLSServer,
    Reason,
    assert_accepted,
    assert_rejected,
    probe,
)
from pytest_mtls.cases import CATALOGUE, Case
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.explain import explain, headline, likely_cause, tell

Factory = Callable[..., MutualTLSServer]


def story_of(failed: pytest.ExceptionInfo[HandshakeAssertionError]) -> list[str]:
    """The lines of a failure, with what changes from run to run (the CA, ports, moments, serial numbers) replaced."""
    text = re.sub(r"OU=Testing CA #[\w-]+,O=pytest-mtls", "CA", str(failed.value))
    text = re.sub(r"127\.0\.0\.1:\d+", "ADDRESS", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "MOMENT", text)
    text = re.sub(r"another (1 day|23 hours)", "another DAY", text)
    return re.sub(r"serial number [0-9a-f]{20,}", "serial number NUMBER", text).splitlines()


_ROOT = "CA; issued by CA; valid MOMENT to MOMENT"
_SERVER = "CN=localhost; issued by CA; for serverAuth; names DNS:localhost, IP:127.0.0.1, IP:::1; valid MOMENT"


def test_refused_client_is_the_whole_story(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """What is wrong, cause, remedy, verdict, alert, parameters, the chain with its faulty field marked, messages."""
    alice = mtls_ca.issue_client("alice", sans=["alice.example"], not_before=-10, not_after=-1)
    with pytest.raises(HandshakeAssertionError) as failed:
        assert_accepted(mtls_server, alice)
    assert [
        "the server rejected the client: expired; both sides should have accepted",
        "  likely cause: the certificate was not renewed in time, or a clock is wrong.",
        "  remedy: Renew it.",
        "",
        "  expected: accepted by both sides",
        "  seen:     rejected by the server: expired",
        "  alert:    certificate_expired (45), sent by the server",
        "  verified: certificate has expired (OpenSSL's code 10)",
        "  with:     the server at ADDRESS, TLSv1.3, TLS_AES_256_GCM_SHA384, server name localhost",
        "  the client presented:",
        (
            "    0: CN=alice; issued by CA; for clientAuth; names DNS:alice.example; valid MOMENT to MOMENT"
            "  <-- not after MOMENT: expired 1 day ago"
        ),
        f"    1: {_ROOT}",
        "  the server presented CN=localhost and 1 more certificate",
        (
            "  messages: client ClientHello; server ServerHello, EncryptedExtensions, CertificateRequest, "
            "Certificate (2 certificates), CertificateVerify, Finished; client Certificate (2 certificates), "
            "CertificateVerify, Finished; server Alert certificate_expired (45)"
        ),
        "  (-vv tells every message and both chains)",
    ] == story_of(failed)


def test_accepted_bad_client_names_the_hole(mtls_server_factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """A server that lets an expired client in is told what it does not do, beside the field that it overlooked."""
    server = mtls_server_factory(client_certs="none")
    with pytest.raises(HandshakeAssertionError) as failed:
        assert_rejected(server, mtls_ca.issue_client("alice", not_before=-10, not_after=-1), Reason.EXPIRED)
    assert [
        "the server accepted the client; it should have rejected it: expired",
        (
            "  likely cause: the server does not require a certificate: it did not even ask for one (not "
            "ssl.CERT_REQUIRED)."
        ),
        (
            "  remedy: Require client certificates: ssl.CERT_REQUIRED, `ssl_verify_client on`, `SSLVerifyClient "
            "require`."
        ),
    ] == story_of(failed)[:3]


def test_everything_of_one_handshake(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """`explain` has each message and both chains."""
    alice = mtls_ca.issue_client("alice", not_before=-10, not_after=-1)
    text = re.sub(r"\(\d+ certificates\)", "", explain(probe(mtls_server, alice)))
    assert "    server: CertificateRequest\n    server: Certificate" in text
    assert 2 == text.count("    0: CN=")
    assert "  alert: certificate_expired (45), sent by the server" in text.splitlines()


def test_good_handshake_has_no_cause(mtls_server: MutualTLSServer, mtls_client_cert: Identity) -> None:
    """Where nothing is amiss, there is nothing to look for the cause of."""
    assert "likely cause" not in explain(probe(mtls_server, mtls_client_cert))


@pytest.mark.parametrize(
    ("case", "mark"),
    [
        ("not-yet-valid", "not before MOMENT: not valid for another DAY"),
        ("self-signed-certificate", "issued by itself"),
        ("untrusted-ca", "no trusted CA has its issuer's name and key"),
        ("server-only", "its usage is not for this side"),
        ("revoked", "serial number NUMBER is revoked, or a CA above it is"),
        ("stolen-certificate", "the peer did not prove that it has the private key"),
        ("signature-bit-flipped", "its signature, or one above it, does not hold"),
    ],
)
def test_offending_field_is_marked(mtls_server: MutualTLSServer, case: str, mark: str) -> None:
    """The line of the certificate in question says what is wrong with it."""
    (bad,) = CATALOGUE["client"].select([case])
    with pytest.raises(HandshakeAssertionError) as failed:
        assert_accepted(mtls_server, bad)
    assert [mark] == [line.partition("  <-- ")[2] for line in story_of(failed) if "  <-- " in line]


def test_wrong_host_names_the_host(mtls_server_factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """A server's certificate that is for another host is marked with the host that was asked for."""
    server = mtls_server_factory(cert=mtls_ca.issue_server("elsewhere.example"))
    with pytest.raises(HandshakeAssertionError) as failed:
        assert_accepted(server, mtls_ca.issue_client(), server_name="here.example")
    assert any("<-- none of its names is here.example, which was asked for" in line for line in story_of(failed))


def test_undecided_is_no_verdict(mtls_ca: CertificateAuthority) -> None:
    """Where there is no verdict, that is what is said."""
    seen = Handshake("client", None, error="the other side was silent until the deadline of 5 s")
    text = tell([seen], Expected(accepted=False, reasons=(Reason.EXPIRED,)))
    assert "  seen:     undecided: the other side was silent until the deadline of 5 s" in text.splitlines()
    assert "no verdict is possible" in text


def test_a_mere_alert_is_not_called_certain() -> None:
    """A reason that only an alert tells is said to be told by the alert."""
    seen = Handshake("client", False, rejected_by="server", reason=Reason.UNKNOWN_CA, alert=Alert.UNKNOWN_CA)
    assert "rejected by the server: unknown CA, as its alert says" == headline(seen)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_cause(reason: Reason) -> None:
    """For each reason there is a sentence that ends in a full stop, and begins like the rest of one."""
    cause = likely_cause(Handshake("server", False, rejected_by="server", reason=reason))
    assert cause.endswith(".")
    assert cause[:1].islower()


def test_resumed_session_is_told(
    mtls_server: MutualTLSServer, mtls_client_cert: Identity, mtls_ca: CertificateAuthority
) -> None:
    """An accepted bad client that resumed an earlier session is explained by that."""
    seen = replace(probe(mtls_server, mtls_client_cert), resumed=True)
    assert "resumed an earlier session" in likely_cause(seen, Expected(accepted=False, reasons=(Reason.EXPIRED,)))
    assert "a resumed session" in explain(seen)


@given(
    st.lists(st.binary(max_size=64)),
    st.sampled_from(Reason),
    st.sampled_from([*Alert, None]),
    st.text(),
    st.sampled_from([True, False, None]),
)
def test_never_raises(
    chain: list[bytes], reason: Reason, alert: Alert | None, text: str, accepted: bool | None
) -> None:
    """Whatever a peer sent as its certificates, the explanation is made."""
    seen = Handshake(
        "server",
        accepted,
        rejected_by="server" if accepted is False else None,
        reason=reason if accepted is False else None,
        alert=alert,
        error=text,
        server_name=text,
        peer_chain_der=tuple(chain),
    )
    assert explain(seen, Expected(accepted=False, reasons=(reason,))).count("bytes that are not a certificate") == len(
        chain
    )


@pytest.mark.parametrize("side", ["client", pytest.param("server", marks=pytest.mark.slow)])
def test_every_case_can_be_explained(
    mtls_server: MutualTLSServer, mtls_server_factory: Factory, mtls_client_cert: Identity, side: str
) -> None:
    """No certificate of the catalogue, however odd, keeps its handshake from being told."""
    for case in CATALOGUE[side].select(["*"]):
        if not case.misbehaves:
            assert explain(_handshake(case, mtls_server, mtls_server_factory, mtls_client_cert))


def _handshake(case: Case, server: MutualTLSServer, factory: Factory, client: Identity) -> Handshake:
    return probe(server, case) if case.side == "client" else probe(factory(cert=case), client)


def test_refusal_without_a_reason_is_said_to_be_one() -> None:
    """Where the rejecting side does not say why, the verdict says so, instead of 'for unspecified'."""
    for reason in (None, Reason.UNSPECIFIED):
        refused = Handshake(side="client", accepted=False, rejected_by="server", reason=reason)
        assert headline(refused) == "rejected by the server, which did not say why"
        assert "unspecified" not in explain(refused)
