"""A CA whose key is for RSASSA-PSS alone, and requests whose hash is weak; openssl makes them and judges."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.x509.oid import SignatureAlgorithmOID
from support.requirements import require_program

from pytest_mtls import (
    CertificateAuthority,
    MutualTLSServer,
    OCSPResponder,
    SigningPolicy,
    SigningRequestRefused,
    probe,
)
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.certificates.pss import pss_hash
from pytest_mtls.errors import UnsupportedKeyKind


def openssl(*words: str | Path, directory: Path) -> str:
    program = require_program("openssl", apt="openssl")
    done = subprocess.run([str(program), *map(str, words)], cwd=directory, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


_BOUND = ("rsa_pss_keygen_md:sha384", "rsa_pss_keygen_mgf1_md:sha384", "rsa_pss_keygen_saltlen:48")


@pytest.mark.parametrize(("bounds", "digest"), [((), "SHA256"), (_BOUND, "SHA384")], ids=["any", "bound"])
def test_authority_signs_as_its_key_demands(tmp_path: Path, bounds: tuple[str, ...], digest: str) -> None:
    """Certificates, intermediate CAs and CRLs are signed by RSASSA-PSS, and openssl and a handshake accept them."""
    bits = [word for bound in bounds for word in ("-pkeyopt", bound)]
    key = ("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048", *bits, "-out", "ca.key")
    openssl(*key, directory=tmp_path)
    words = ("req", "-x509", "-key", "ca.key", "-subj", "/CN=pss", "-days", "3", "-out", "ca.crt")
    openssl(*words, "-addext", "keyUsage=critical,keyCertSign,cRLSign", directory=tmp_path)
    ca = CertificateAuthority.load(tmp_path / "ca.crt", tmp_path / "ca.key")
    client, server = ca.intermediate().issue_client("alice"), ca.issue_server()
    ca.revoke(ca.issue_client("mallory"))
    (tmp_path / "leaf.pem").write_bytes(Path(server.cert_path).read_bytes())
    (tmp_path / "crl.pem").write_bytes(ca.crl_pems()[0])
    openssl("verify", "-CAfile", "ca.crt", "-CRLfile", "crl.pem", "-crl_check", "leaf.pem", directory=tmp_path)
    assert "rsassaPss" in openssl("x509", "-in", "leaf.pem", "-noout", "-text", directory=tmp_path)
    assert pss_hash(ca.certificate).__class__.__name__ == digest
    with MutualTLSServer(cert=server, trust=ca, strict=False) as running:
        assert probe(running, client).accepted
        for case in CATALOGUE["client"].select(["expired", "server-only", "untrusted-ca", "extension-twice"]):
            assert case.reason in (None, probe(running, case, tls=case.tls).reason), case.id
    with pytest.raises(UnsupportedKeyKind, match=r"RSASSA-PSS only.*delegated=True"):
        OCSPResponder(ca)
    with OCSPResponder(ca, delegated=True) as responder:
        assert responder.is_running


def test_other_keys_are_not_for_pss_alone() -> None:
    """A CA with a plain RSA key signs by PKCS#1 v1.5 as before."""
    ca = CertificateAuthority.create(key_kind="rsa2048")
    assert pss_hash(ca.certificate) is None
    assert SignatureAlgorithmOID.RSA_WITH_SHA256 == ca.issue_client().certificate.signature_algorithm_oid


@pytest.mark.parametrize(
    ("digest", "name", "kind"), [("sha1", "SHA-1", "rsa:2048"), ("md5", "MD5", "rsa:2048"), ("sha1", "SHA-1", "ec")]
)
def test_valid_request_with_a_weak_hash_says_so(tmp_path: Path, digest: str, name: str, kind: str) -> None:
    """It is not called invalid; a policy may let it through, and one that is really invalid never comes through."""
    new = ("-newkey", kind) if kind != "ec" else ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    words = ("req", "-new", *new, "-nodes", "-keyout", "a.key", "-subj", "/CN=a", f"-{digest}", "-outform", "DER")
    openssl(*words, "-out", "a.csr", directory=tmp_path)
    ca, request = CertificateAuthority.create(), (tmp_path / "a.csr").read_bytes()
    with pytest.raises(
        SigningRequestRefused, match=f"valid by way of {name} only, but that hash can be forged"
    ) as refused:
        ca.sign(request)
    assert "signature" == refused.value.field
    lenient = SigningPolicy(weak_hashes=True)
    assert "CN=a" == ca.sign(request, policy=lenient).certificate.subject.rfc4514_string()
    forged = request[:-1] + bytes([request[-1] ^ 1])
    with pytest.raises(SigningRequestRefused, match="invalid"):
        ca.sign(forged, policy=lenient)
