"""Never run: mypy checks that the public names have the types that users rely on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
import requests
from cryptography import x509

import pytest_mtls
from pytest_mtls import (
    Alert,
    Case,
    CertificateAuthority,
    CertificateSigningRequest,
    Endpoint,
    Handshake,
    Identity,
    KeyKind,
    MutualTLSServer,
    Reason,
    SigningPolicy,
    assert_accepted,
    assert_expires_after,
    assert_rejected,
    case,
    clients,
    launch_client,
    probe,
)


def certificates(ca: CertificateAuthority, directory: str) -> None:
    root: CertificateAuthority = CertificateAuthority.create("root", key_kind="p384", path_length=None)
    below: CertificateAuthority = root.intermediate(permitted=["example.com"], key_kind=KeyKind.RSA2048)
    alice: Identity = below.issue_client("alice", sans=["alice@example.com"], not_before=-1, not_after=timedelta(1))
    server: Identity = ca.issue_server("localhost", not_after=datetime(2030, 1, 1, tzinfo=timezone.utc))
    request = CertificateSigningRequest.create("alice", sans=["alice.example"])
    signed: Identity = ca.sign(request.pem, policy=SigningPolicy(organization="Example"))
    ca.revoke(ca.renew(signed), reason="key_compromise")
    ca.renew(alice, private_key="same"), ca.renew(alice, private_key=signed.private_key)
    left: timedelta = ca.issue_client(
        serial_number=7, subject=[("UID", "a"), "C=DE"], crl_urls=["http://a/"]
    ).expires_in
    assert left > alice.not_after - alice.not_before
    pem: bytes = alice.pem + server.pkcs12("secret") + request.pem
    first: x509.Certificate = assert_expires_after(alice, days=0.1)
    assert_expires_after(alice.cert_path)
    assert_expires_after(("localhost", 8443), 7, server_name="web.example", timeout=2)
    del first
    path: str = alice.cert_path + alice.key_path + alice.combined_path + alice.write_to(directory).key
    context = alice.ssl_context(trust=[ca, root.trustme, pem, path])
    requests.get("https://localhost", cert=(alice.cert_path, alice.key_path), verify=ca.cert_path)
    del context


def servers(ca: CertificateAuthority, client: Identity, bad: Case) -> None:
    with MutualTLSServer(cert=ca.issue_server(), trust=ca, client_certs="optional", tls="1.3") as server:
        with server.expect_accepted(client) as seen:
            pass
        first: Handshake = seen.handshake
        with server.expect_rejected("expired", by="server") as refused:
            pass
        raised: Exception | None = refused.exception
        alert: Alert | None = first.alert
        handshakes: tuple[Handshake, ...] = server.handshakes
        server.reload(cert=bad, trust=[ca])
        host, port = server.address
        seen_by_client: Handshake = probe(server, bad, tls="1.2")
        seen_by_client = assert_rejected((host, port), bad, Reason.EXPIRED, trust=ca, timeout=1)
        seen_by_client = assert_accepted(Endpoint(host, port, server_name="localhost"), client)
        reason: Reason | None = seen_by_client.reason
        del raised, alert, handshakes, reason


@case("client", "expired", tier="must")
def own_case(ca: CertificateAuthority) -> Identity:
    return ca.issue_client(not_before=-2, not_after=-1)


@pytest.mark.parametrize("bad", pytest_mtls.client_cases("expired", exclude="*intermediate*"))
def use_fixtures(
    bad: Case,
    mtls_server: MutualTLSServer,
    mtls_client: requests.Session,
    mtls_server_factory: Callable[..., MutualTLSServer],
    mtls_target: MutualTLSServer | Endpoint,
) -> Any:
    mtls_client.get(mtls_server.url)
    assert_rejected(mtls_target, bad)
    return mtls_server_factory(tls="1.2")


def use_clients(identity: Identity, ca: CertificateAuthority) -> Any:
    with clients.requests(identity, ca) as session:
        session.get("https://localhost")
    with clients.httpx(None, [ca]) as client:
        client.get("https://localhost")
    words: list[str] = clients.curl(identity, ca)
    variables: dict[str, str] = clients.environment(identity, ca)
    return words, variables, clients.arguments("redis", identity, ca)["ssl_ca_certs"]


def clients_under_test(ca: CertificateAuthority, bad: Case) -> tuple[bool, Handshake]:
    async def fetch(target: pytest_mtls.ClientTarget) -> None: ...

    with launch_client(fetch, ca=ca, timeout=5) as client, launch_client(["curl", "{url}"]) as program:
        seen: pytest_mtls.Observation = client.assert_rejects(bad, Reason.EXPIRED, tls="1.2")
        return program.observe().is_accepted, seen.verdict
