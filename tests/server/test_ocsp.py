"""`OCSPResponder`, judged by `openssl ocsp` and by nginx."""

from __future__ import annotations

import base64
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from support.nginx import nginx_command, nginx_config
from support.requirements import require_program

from pytest_mtls import (
    CertificateAuthority,
    Identity,
    OCSPQuery,
    OCSPResponder,
    Reason,
    assert_accepted,
    assert_rejected,
    launch,
    probe,
)
from pytest_mtls.certificates.ocsp import StatusAnswers
from pytest_mtls.errors import InvalidArgument, MissingPrivateKey, ServerNotRunning

NGINX = nginx_config("""
  server {
    listen {host}:{port} ssl;
    ssl_certificate {server_cert}; ssl_certificate_key {server_key};
    ssl_client_certificate {ca}; ssl_verify_client on; ssl_verify_depth 3;
    ssl_ocsp leaf; ssl_ocsp_responder RESPONDER;
    location / { return 200 "hello"; }
  }
""")


@pytest.fixture
def ca() -> Iterator[CertificateAuthority]:
    authority = CertificateAuthority.create()
    yield authority
    authority.remove_files()


def _openssl(
    url: str, ca: CertificateAuthority, certificate: x509.Certificate, tmp_path: Path, *options: str
) -> tuple[str, str]:
    """What `openssl ocsp` says of a certificate, and what it says of the answer."""
    (tmp_path / "root.pem").write_bytes((ca.root or ca.certificate).public_bytes(Encoding.PEM))
    (tmp_path / "issuer.pem").write_bytes(ca.pem)
    (tmp_path / "leaf.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    openssl = require_program("openssl", apt="openssl")
    ended = subprocess.run(
        [
            *(
                str(openssl),
                "ocsp",
                *options,
                "-CAfile",
                "root.pem",
                "-issuer",
                "issuer.pem",
                "-verify_other",
                "issuer.pem",
            ),
            *("-cert", "leaf.pem", "-url", url),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return ended.stdout, ended.stderr


def _request(ca: CertificateAuthority, identity: Identity, nonce: bytes | None = None) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(identity.certificate, ca.certificate, hashes.SHA256())
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


@pytest.mark.parametrize("options", [(), ("-no_nonce",), ("-sha256",)], ids=["nonce", "no nonce", "sha256"])
@pytest.mark.parametrize("delegated", [False, True], ids=["ca", "delegated"])
@pytest.mark.parametrize("kind", ["p256", "rsa2048"])
def test_openssl(kind: str, delegated: bool, options: tuple[str, ...], tmp_path: Path) -> None:
    """`openssl ocsp` verifies good and revoked, with the reason, by whoever signs."""
    ca = CertificateAuthority.create(key_kind=kind)
    alice, bob = ca.issue_client("alice"), ca.issue_client("bob")
    ca.revoke(bob, reason="key_compromise")
    with OCSPResponder(ca, delegated=delegated) as responder:
        said, judged = _openssl(responder.url, ca, alice.certificate, tmp_path, *options)
        assert ("leaf.pem: good", "Response verify OK") == (said.splitlines()[0], judged.splitlines()[-1])
        assert "WARNING" not in judged
        said, judged = _openssl(responder.url, ca, bob.certificate, tmp_path, *options)
        assert ("leaf.pem: revoked", "Response verify OK") == (said.splitlines()[0], judged.splitlines()[-1])
        assert "Reason: keyCompromise" in said
        assert [("good", alice.serial_number), ("revoked", bob.serial_number)] == [
            (query.status, query.serial_number) for query in responder.queries
        ]


def test_related(ca: CertificateAuthority, tmp_path: Path) -> None:
    """It follows the CA and those below it, made before or after it started; not another CA of the same name."""
    with OCSPResponder(ca, delegated=True) as responder:
        below = ca.intermediate(ocsp_urls=[responder.url])
        alice = below.issue_client("alice", ocsp_urls=[responder.url])
        for revoked in (False, True):
            for issuer, certificate in ((below, alice.certificate), (ca, below.certificate)):
                said, judged = _openssl(responder.url, issuer, certificate, tmp_path)
                assert ("revoked" if revoked else "good") in said.splitlines()[0]
                assert "Response verify OK" in judged
                issuer.revoke(certificate)
        impostor = ca.impostor()
        said, judged = _openssl(responder.url, impostor, impostor.issue_client().certificate, tmp_path)
        assert "Responder Error: unauthorized (6)" in said + judged


@pytest.mark.parametrize(
    ("misbehaviour", "expected"),
    [
        ("stale", "status expired"),
        ("forged", "Response Verify Failure"),
        ("of another issuer", "Response Verify Failure"),
        ("unknown", "leaf.pem: unknown"),
        ("try later", "Responder Error: trylater (3)"),
        ("silent", "timed out|Timeout|timeout"),
    ],
)
def test_misbehaviour(ca: CertificateAuthority, misbehaviour: Any, expected: str, tmp_path: Path) -> None:
    """Each misbehaviour is what its name says to openssl; when it is taken back, the revoked certificate is revoked."""
    alice = ca.issue_client("alice")
    ca.revoke(alice)
    with OCSPResponder(ca, misbehaviour=misbehaviour) as responder:
        said, judged = _openssl(responder.url, ca, alice.certificate, tmp_path, "-timeout", "1")
        assert any(words in said + judged for words in expected.split("|")), said + judged
        assert "leaf.pem: revoked" not in said
        responder.misbehaviour = None
        said, judged = _openssl(responder.url, ca, alice.certificate, tmp_path)
        assert "leaf.pem: revoked" in said


def test_url_of_a_misbehaviour(ca: CertificateAuthority, tmp_path: Path) -> None:
    """At the URL of a misbehaviour it always answers so, by GET and POST, and at its own URL as before."""
    alice = ca.issue_client("alice")
    path = base64.b64encode(_request(ca, alice)).decode()
    with OCSPResponder(ca) as responder:
        said, judged = _openssl(responder.url_of("revoked"), ca, alice.certificate, tmp_path)
        assert "leaf.pem: revoked" in said
        assert "Response verify OK" in judged
        said, judged = _openssl(responder.url_of("of another issuer"), ca, alice.certificate, tmp_path)
        assert "Response Verify Failure" in judged
        said, judged = _openssl(responder.url, ca, alice.certificate, tmp_path)
        assert "leaf.pem: good" in said
        given = requests.get(responder.url_of("unknown") + quote(path, safe=""), timeout=60)
        assert ocsp.OCSPCertStatus.UNKNOWN is ocsp.load_der_ocsp_response(given.content).certificate_status
        assert ["revoked", "good", "good", "unknown"] == [query.status for query in responder.queries]
        assert ca.crl().get_revoked_certificate_by_serial_number(alice.serial_number) is None


def test_nginx(ca: CertificateAuthority) -> None:
    """nginx accepts who is good, and rejects who is revoked or about whom it learns nothing."""
    alice, bob = ca.issue_client("alice"), ca.issue_client("bob")
    ca.revoke(bob)
    with OCSPResponder(ca, host="127.0.0.1", delegated=True) as responder:
        files = {"nginx.conf": NGINX.replace("RESPONDER", responder.url)}
        with launch(nginx_command(), files=files, ca=ca, strict=False) as server:
            assert_accepted(server.endpoint, alice)
            assert_rejected(server.endpoint, bob, Reason.REVOKED, like=alice)
            assert {alice.serial_number, bob.serial_number} <= {query.serial_number for query in responder.queries}
            assert {"GET"} == {query.method for query in responder.queries}
            for misbehaviour in ("stale", "forged", "of another issuer", "unknown", "try later"):
                responder.misbehaviour = misbehaviour
                seen = probe(server.endpoint, ca.issue_client(misbehaviour))
                assert (False, "HTTP 400") == (seen.accepted, (seen.answer or "")[:8]), misbehaviour
            responder.misbehaviour = None
            assert_accepted(server.endpoint, ca.issue_client("carol"))


class TestHTTP:
    """Requests by GET and POST."""

    def test_get_and_post(self, ca: CertificateAuthority) -> None:
        """Both give the same answer; the base64 of a GET may be escaped or not."""
        alice = ca.issue_client("alice")
        request = _request(ca, alice)
        text = base64.b64encode(request).decode()
        with OCSPResponder(ca) as responder:
            headers = {"Content-Type": "application/ocsp-request"}
            answers = {
                requests.post(responder.url, data=request, headers=headers, timeout=5).content,
                requests.get(responder.url + quote(text, safe=""), timeout=5).content,
                requests.get(responder.url + text, timeout=5).content,
            }
            (answer,) = answers
            loaded = ocsp.load_der_ocsp_response(answer)
            assert (ocsp.OCSPCertStatus.GOOD, alice.serial_number) == (loaded.certificate_status, loaded.serial_number)
            assert {"GET", "POST"} == {query.method for query in responder.queries}

    @pytest.mark.parametrize(
        ("method", "path", "data", "content_type", "status"),
        [
            ("GET", "", b"", "", 400),
            ("GET", "%%%", b"", "", 400),
            ("GET", "\u00e4", b"", "", 400),
            ("PUT", "", b"", "", 405),
            ("POST", "", b"\x30\x00", "text/plain", 415),
            ("POST", "", b"\x30\x00", "application/ocsp-request", 200),
            ("POST", "", b"", "application/ocsp-request", 200),
        ],
    )
    def test_bad_requests(
        self, ca: CertificateAuthority, method: str, path: str, data: bytes, content_type: str, status: int
    ) -> None:
        """What is not a request gets an HTTP error, or the OCSP error malformedRequest where its media type is right."""
        with OCSPResponder(ca) as responder:
            given = requests.request(
                method, responder.url + path, data=data, headers={"Content-Type": content_type}, timeout=5
            )
            assert status == given.status_code
            if status == 200:
                malformed = ocsp.load_der_ocsp_response(given.content).response_status
                assert ocsp.OCSPResponseStatus.MALFORMED_REQUEST is malformed
                assert (OCSPQuery("POST", None, None, "malformed request"),) == responder.queries

    def test_silent_delays_nobody(self, ca: CertificateAuthority) -> None:
        """A client that waits for a silent responder ends when this stops, and nothing is left behind."""
        alice, before = ca.issue_client("alice"), threading.active_count()
        with OCSPResponder(ca, host="127.0.0.1", misbehaviour="silent") as responder:
            waiting = socket.create_connection(responder.address)
            path = base64.b64encode(_request(ca, alice)).decode()
            waiting.sendall(f"GET /{quote(path, safe='')} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            responder.misbehaviour = "silent"
            with pytest.raises(requests.ReadTimeout):
                requests.get(responder.url + quote(path, safe=""), timeout=(5, 0.2))
            responder.misbehaviour = None
            assert requests.get(responder.url + quote(path, safe=""), timeout=5).ok
        with waiting:
            assert b"200 OK" not in waiting.recv(65536)
        assert before == threading.active_count()


class TestAnswers:
    """Answers without HTTP."""

    def test_nonce(self, ca: CertificateAuthority) -> None:
        """A nonce is repeated, unless the responder repeats none; one that is too long is malformed."""
        alice = ca.issue_client("alice")
        for repeats in (True, False):
            given = OCSPResponder(ca, nonce=repeats).answer(_request(ca, alice, b"n" * 32))
            extensions = ocsp.load_der_ocsp_response(given).extensions
            assert ([b"n" * 32] if repeats else []) == [
                extension.value.nonce for extension in extensions if isinstance(extension.value, x509.OCSPNonce)
            ]
        malformed = StatusAnswers(ca).answer(_request(ca, alice, b"n" * 129))
        assert "malformed request" == malformed.status

    def test_follows(self, ca: CertificateAuthority) -> None:
        """An answer is kept until something is revoked, and then is another."""
        alice, answers = ca.issue_client("alice"), StatusAnswers(ca)
        request = _request(ca, alice)
        good = answers.answer(request)
        assert good is answers.answer(request)
        ca.revoke(alice, date=datetime(2020, 1, 2, tzinfo=timezone.utc))
        revoked = answers.answer(request)
        loaded = ocsp.load_der_ocsp_response(revoked.der)
        assert ("good", "revoked") == (good.status, revoked.status)
        assert datetime(2020, 1, 2, tzinfo=timezone.utc) == loaded.revocation_time_utc
        assert loaded.revocation_reason is None

    def test_several(self, ca: CertificateAuthority) -> None:
        """Any bytes are answered, and by nothing but an OCSP answer."""
        for request in (b"", b"x", b"\x30\x80", _request(ca, ca.issue_client())[:-1]):
            assert "malformed request" == StatusAnswers(ca).answer(request).status


def test_life(ca: CertificateAuthority) -> None:
    """A responder that does not run has no URL, and runs once; bad arguments are rejected."""
    responder = OCSPResponder(ca)
    with pytest.raises(ServerNotRunning):
        _ = responder.url
    with responder:
        assert responder.is_running
        with pytest.raises(
            InvalidArgument, match=r"^misbehaviour is 'sulking', but it must be None, or one of 'stale'"
        ):
            responder.misbehaviour = "sulking"  # type: ignore[assignment]
    with pytest.raises(ServerNotRunning):
        responder.start()
    for argument in ({"ca": ca.certificate}, {"ca": ca, "misbehaviour": "x"}):
        with pytest.raises(InvalidArgument):
            OCSPResponder(**argument)
    with pytest.raises(MissingPrivateKey, match="answering OCSP requests needs the private key"):
        OCSPResponder(CertificateAuthority.load(ca.certificate))


def test_fixture(mtls_ocsp: OCSPResponder, mtls_ca: CertificateAuthority, tmp_path: Path) -> None:
    """The fixture answers for ``mtls_ca``."""
    alice = mtls_ca.issue_client("alice", ocsp_urls=[mtls_ocsp.url])
    said, judged = _openssl(mtls_ocsp.url, mtls_ca, alice.certificate, tmp_path)
    assert ("leaf.pem: good", "Response verify OK") == (said.splitlines()[0], judged.splitlines()[-1])
