"""A session of requests keeps the TLS context of its own certificate and trust, and of nothing else."""

from __future__ import annotations

import pickle
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import requests

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer, Reason, clients
from pytest_mtls.cases import CATALOGUE

Factory = Callable[..., MutualTLSServer]

keeps = pytest.mark.skipif(
    not hasattr(requests.adapters.HTTPAdapter, "build_connection_pool_key_attributes"),
    reason="needs requests 2.32.3 or newer, which asks its adapters: python -m pip install --upgrade requests",
)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each certificate was read from its file."""
    counted: Counter[str] = Counter()
    load = ssl.SSLContext.load_cert_chain

    def count(self: ssl.SSLContext, certfile: str, *others: Any, **known: Any) -> None:
        counted[certfile] += 1
        load(self, certfile, *others, **known)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", count)
    return counted


def subject(answer: requests.Response) -> str:
    """Who the server took the client for."""
    return str(answer.json()["client"]["subject"])


@keeps
def test_certificate_is_read_once_for_many_connections_sessions_and_servers(
    mtls_ca: CertificateAuthority, mtls_server_factory: Factory, read: Counter[str]
) -> None:
    """A suite has a session and a server for each test, and the same client in all."""
    alice = mtls_ca.issue_client("alice")
    for _ in range(3):
        server = mtls_server_factory()
        with clients.requests(alice, mtls_ca) as session:
            for _ in range(2):
                assert "CN=alice" == subject(session.get(server.url, headers={"Connection": "close"}))
        assert 2 == len(server.handshakes)
        assert not any(handshake.resumed for handshake in server.handshakes)
    assert 1 == read[alice.cert_path]


@keeps
def test_what_a_request_or_the_session_is_given_instead_counts(
    mtls_ca: CertificateAuthority, mtls_server: MutualTLSServer, mtls_untrusted_ca: CertificateAuthority
) -> None:
    """Another certificate, another trust, or none: requests reads it, and the connection that was kept is not used."""
    alice, bob = mtls_ca.issue_client("alice"), mtls_ca.issue_client("bob")
    own = bob.cert_path, bob.key_path
    with clients.requests(alice, mtls_ca) as session:
        assert "CN=alice" == subject(session.get(mtls_server.url))
        assert "CN=bob" == subject(session.get(mtls_server.url, cert=own))
        with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            session.get(mtls_server.url, verify=mtls_untrusted_ca.cert_path)
        session.cert = own
        assert "CN=bob" == subject(session.get(mtls_server.url))
        session.cert = None
        with mtls_server.expect_rejected(Reason.NO_CERTIFICATE):
            session.get(mtls_server.url)


@keeps
def test_pickled_session_is_the_same(
    mtls_client: requests.Session, mtls_server: MutualTLSServer, mtls_client_cert: Identity, read: Counter[str]
) -> None:
    """As it is for another process."""
    assert "CN=client" == subject(mtls_client.get(mtls_server.url))
    with pickle.loads(pickle.dumps(mtls_client)) as session:
        assert "CN=client" == subject(session.get(mtls_server.url))
    assert read[mtls_client_cert.cert_path] <= 1


def test_certificate_that_cannot_be_read_is_an_error_of_requests(
    mtls_ca: CertificateAuthority, mtls_server: MutualTLSServer
) -> None:
    """OpenSSL loads no key so weak; the error is the one that a session of requests' own raises."""
    (case,) = CATALOGUE["client"].select(["rsa-1024"])
    errors = []
    with clients.requests(case, mtls_ca) as session, requests.Session() as plain:
        plain.verify, plain.cert = session.verify, session.cert
        for one in (session, plain):
            with pytest.raises(requests.exceptions.RequestException) as raised:
                one.get(mtls_server.url)
            errors.append((raised.type, str(raised.value).rpartition("(")[2]))
    assert errors[0] == errors[1]
    assert [None, None] == [handshake.accepted for handshake in mtls_server.handshakes]
