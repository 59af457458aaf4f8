"""A `MutualTLSServer` by pyOpenSSL: all that one by the standard library does, with clients that are not ours."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
from collections.abc import Callable

import pytest
import requests
from support.engines import openssl_of_the_second_engine
from support.requirements import require_program

from pytest_mtls import (
    Case,
    CertificateAuthority,
    Handshake,
    Identity,
    MutualTLSServer,
    Reason,
    assert_accepted,
    assert_rejected,
    client_cases,
    probe,
)

PATIENCE = 60.0


@pytest.fixture
def factory(mtls_server_factory: Callable[..., MutualTLSServer]) -> Callable[..., MutualTLSServer]:
    """Servers by the second engine; skips without it."""
    openssl_of_the_second_engine()
    return lambda app=None, **options: mtls_server_factory(app, engine="pyopenssl", **options)


def test_requests_by_http(
    factory: Callable[..., MutualTLSServer], mtls_client: requests.Session, mtls_client_cert: Identity
) -> None:
    """The app answers over one connection after the other and knows its client."""
    server = factory()
    answers = [mtls_client.get(server.url, headers={"Connection": "close"}).json() for _ in range(3)]
    assert [mtls_client_cert.subject] * 3 == [answer["client"]["subject"] for answer in answers]
    assert [(True, "localhost", "TLSv1.3")] * 3 == [
        (one.accepted, one.server_name, one.tls_version) for one in server.handshakes
    ]


def test_curl_over_both_versions(
    factory: Callable[..., MutualTLSServer], mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """curl gets in with its certificate and by the ALPN protocol that the server likes best, and not without it."""
    curl = require_program("curl", apt="curl")
    server = factory(alpn=["http/1.1", "http/1.0"])
    who = ["--cert", mtls_client_cert.cert_path, "--key", mtls_client_cert.key_path]
    for version in ("1.2", "1.3"):
        call = [str(curl), "-sS", "--max-time", "60", "--cacert", mtls_ca.cert_path, "--tls-max", version, server.url]
        done = subprocess.run([*call, *who], capture_output=True, text=True)
        assert 0 == done.returncode, done.stderr
        assert f"TLSv{version}" == json.loads(done.stdout)["tls_version"]
        assert "http/1.1" == server.handshakes[-1].alpn
        with server.expect_rejected(Reason.NO_CERTIFICATE):
            assert 0 != subprocess.run(call, capture_output=True).returncode


def test_sessions_are_resumed_until_reload(
    factory: Callable[..., MutualTLSServer], mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A session of either TLS version is resumed, with the certificate that began it, and not after a reload."""
    for tls in ("1.2", "1.3"):
        server = factory(tls=tls)
        context = mtls_client_cert.ssl_context(trust=mtls_ca)

        def visit(session: ssl.SSLSession | None) -> tuple[ssl.SSLSession | None, bool]:
            with (
                socket.create_connection(server.address) as plain,  # noqa: B023
                context.wrap_socket(plain, server_hostname="localhost", session=session) as sock,  # noqa: B023
            ):
                sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                answer = b""
                while part := sock.recv(65536):
                    answer += part
                assert mtls_client_cert.fingerprint_sha256.encode() in answer
                return sock.session, bool(sock.session_reused)

        session, was_resumed = visit(None)
        assert not was_resumed
        session, was_resumed = visit(session)
        assert was_resumed
        server.reload()
        _, was_resumed = visit(session)
        assert not was_resumed
        assert [False, True, False] == [one.resumed for one in server.handshakes]


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("client_certs", ["required", "optional", "none"])
def test_whether_a_client_needs_a_certificate(
    factory: Callable[..., MutualTLSServer],
    mtls_ca: CertificateAuthority,
    mtls_client_cert: Identity,
    client_certs: str,
    tls: str,
) -> None:
    """Optional certificates are still checked, and without any request none is sent."""
    server = factory(client_certs=client_certs, tls=tls)
    expired = mtls_ca.issue_client(not_before=-10, not_after=-1)
    seen = [probe(server, who, timeout=PATIENCE) for who in (mtls_client_cert, None, expired)]
    assert {
        "required": [True, False, False],
        "optional": [True, True, False],
        "none": [True, True, True],
    }[client_certs] == [one.accepted for one in seen]
    assert seen[0].counterpart is not None
    assert (client_certs != "none") == bool(seen[0].counterpart.peer_chain_der)


def test_reload_and_revocation(
    factory: Callable[..., MutualTLSServer], mtls_ca: CertificateAuthority, mtls_untrusted_ca: CertificateAuthority
) -> None:
    """The next handshake has the new certificate and the new trust, and follows what a CA revokes meanwhile."""
    ca = CertificateAuthority.create()
    server = factory(trust=ca, cert=ca.issue_server())
    alice = ca.issue_client("alice")
    assert_accepted(server, alice, timeout=PATIENCE)
    ca.revoke(alice)
    assert Reason.REVOKED is assert_rejected(server, alice, timeout=PATIENCE).reason
    renewed = ca.issue_server()
    server.reload(cert=renewed)
    assert renewed.certificate == probe(server, ca.issue_client(), timeout=PATIENCE).peer_certificate
    server.reload(trust=mtls_untrusted_ca)
    assert_accepted(server, mtls_untrusted_ca.issue_client(), trust=ca, timeout=PATIENCE)
    assert_rejected(server, ca.issue_client(), Reason.UNKNOWN_CA, trust=ca, timeout=PATIENCE)
    ca.remove_files()


def test_rejected_client_that_writes_sees_the_alert(
    factory: Callable[..., MutualTLSServer], mtls_ca: CertificateAuthority
) -> None:
    """Under TLS 1.3 a rejected client that first writes a lot still reads the alert: it is drained, not reset."""
    server = factory()
    context = mtls_ca.issue_client(not_before=-10, not_after=-1).ssl_context(trust=mtls_ca, tls="1.3")
    for count in range(1, 21):
        with (
            socket.create_connection(server.address) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            sock.sendall(b"x" * 300_000)
            with pytest.raises(ssl.SSLError, match=r"(?i)alert certificate expired"):
                sock.recv(1)
        assert count == len(server.handshakes)


def test_handler_and_late_judgement(
    factory: Callable[..., MutualTLSServer], mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """A handler gets an `ssl.SSLSocket`; a client that leaves in silence is told of as one that did not use it."""
    kinds = []

    def echo(sock: ssl.SSLSocket, handshake: Handshake) -> None:
        kinds.append((isinstance(sock, ssl.SSLSocket), handshake.accepted))
        while data := sock.recv(100):
            sock.sendall(data)

    server = factory(handler=echo)
    context = mtls_client_cert.ssl_context(trust=mtls_ca)
    for said in (b"hello", b""):
        with (
            socket.create_connection(server.address) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            sock.sendall(said)
            assert said == sock.recv(100) if said else True
            sock.setblocking(False)
            try:
                sock.unwrap()
            except ssl.SSLWantReadError:
                pass
    assert [False, True] == [one.is_unused for one in server.handshakes]
    assert [(True, True)] * 2 == kinds


def test_http2(
    factory: Callable[..., MutualTLSServer], mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """curl chooses HTTP/2 by ALPN, and the app answers."""
    curl = require_program("curl", apt="curl")
    server = factory(alpn=["h2", "http/1.1"])
    who = ["--cacert", mtls_ca.cert_path, "--cert", mtls_client_cert.cert_path, "--key", mtls_client_cert.key_path]
    done = subprocess.run(
        [str(curl), "-sS", "--max-time", "60", "--http2", "-w", "\n%{http_version}", *who, server.url],
        capture_output=True,
        text=True,
    )
    assert ["2"] == done.stdout.splitlines()[-1:], done.stderr
    assert "h2" == server.handshakes[-1].alpn


@pytest.mark.parametrize("case", client_cases("expired", "stolen-certificate", "certificate-verify-missing"))
def test_assertions_by_the_second_engine(
    factory: Callable[..., MutualTLSServer], mtls_client_cert: Identity, case: Case
) -> None:
    """`assert_accepted` and `assert_rejected` present clients by it, and the control too."""
    server = factory()
    seen = assert_accepted(server, mtls_client_cert, engine="pyopenssl", timeout=PATIENCE)
    assert (True, "client") == (seen.accepted, seen.side)
    assert_rejected(server, case, engine="pyopenssl", timeout=PATIENCE)
