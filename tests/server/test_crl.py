"""`CRLServer`, judged by curl and by `openssl verify -crl_download`."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography import x509
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, CRLServer, Identity
from pytest_mtls.errors import InvalidArgument, MissingPrivateKey


def _verify(ca: CertificateAuthority, identity: Identity, tmp_path: Path) -> str:
    """What openssl says of a certificate whose CRL it fetches itself."""
    (tmp_path / "ca.pem").write_bytes(ca.pem)
    (tmp_path / "leaf.pem").write_bytes(identity.cert_pem)
    openssl = require_program("openssl", apt="openssl")
    ended = subprocess.run(
        [openssl, "verify", "-x509_strict", "-crl_check", "-crl_download", "-CAfile", "ca.pem", "leaf.pem"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return ended.stdout + ended.stderr


def test_openssl(tmp_path: Path) -> None:
    """openssl fetches the CRL that a certificate names, and follows a revocation."""
    ca = CertificateAuthority.create()
    with CRLServer(ca) as server:
        alice = ca.issue_client("alice", crl_urls=[server.url])
        assert "leaf.pem: OK\n" == _verify(ca, alice, tmp_path)
        ca.revoke(alice)
        assert "certificate revoked" in _verify(ca, alice, tmp_path)
        assert 2 <= server.fetched


@pytest.mark.parametrize(
    ("misbehaviour", "expected"),
    [
        ("stale", "CRL has expired"),
        ("forged", "CRL signature failure"),
        ("of another issuer", "Different CRL scope|unable to get certificate CRL"),
        ("unknown", "unable to get certificate CRL"),
        ("try later", "unable to get certificate CRL"),
    ],
)
def test_misbehaviour(misbehaviour: Any, expected: str, tmp_path: Path) -> None:
    """Each misbehaviour is seen by openssl as what it is."""
    ca = CertificateAuthority.create()
    with CRLServer(ca, misbehaviour=misbehaviour) as server:
        alice = ca.issue_client("alice", crl_urls=[server.url])
        said = _verify(ca, alice, tmp_path)
        assert any(words in said for words in expected.split("|")), said
        server.misbehaviour = None
        assert "leaf.pem: OK\n" == _verify(ca, alice, tmp_path)


def test_family() -> None:
    """Every related CA's CRL is there; other paths and methods are rejected."""
    ca = CertificateAuthority.create()
    with CRLServer(ca) as server:
        below = ca.intermediate(crl_urls=[server.url])
        given = requests.get(server.url_of(below), timeout=5)
        crl = x509.load_der_x509_crl(given.content)
        assert ("application/pkix-crl", True) == (
            given.headers["Content-Type"],
            crl.is_signature_valid(below.certificate.public_key()),  # type: ignore[arg-type]
        )
        assert 404 == requests.get(f"{server.url}x", timeout=5).status_code
        assert 405 == requests.post(server.url, timeout=5).status_code
        with pytest.raises(InvalidArgument, match=r"^ca is .* a CA related to"):
            server.url_of(CertificateAuthority.create())
        server.misbehaviour = "silent"
        with pytest.raises(requests.ReadTimeout):
            requests.get(server.url, timeout=(5, 0.2))


def test_arguments() -> None:
    """What cannot be served is rejected at once."""
    ca = CertificateAuthority.create()
    with pytest.raises(InvalidArgument):
        CRLServer(ca, misbehaviour="sulking")  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument):
        CRLServer("ca")  # type: ignore[arg-type]
    with pytest.raises(MissingPrivateKey):
        CRLServer(CertificateAuthority.load(ca.certificate))
