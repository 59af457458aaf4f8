"""`Identity.write_to` in the forms of other systems, read by these systems' own tools."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import pkcs12
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Identity
from pytest_mtls.errors import InvalidArgument, MissingPrivateKey, MissingProgram, UnsupportedFormat


@pytest.fixture(scope="module")
def alice() -> Identity:
    return CertificateAuthority.create("Root").intermediate("Issuing").issue_client("alice", sans=["alice.example"])


def run(program: Path, *arguments: str) -> str:
    finished = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)
    assert 0 == finished.returncode, finished.stdout + finished.stderr
    return finished.stdout


def test_pem_only(alice: Identity, tmp_path: Path) -> None:
    """PEM files are always written, and no others unless asked for."""
    files = alice.write_to(tmp_path, formats=())
    assert {"alice.crt", "alice.key", "alice.pem", "alice-root.crt"} == {path.name for path in tmp_path.iterdir()}
    assert (None, None, None, None, None) == (
        files.pkcs12,
        files.keystore,
        files.truststore,
        files.kubernetes,
        files.nss,
    )


class TestJava:
    """Key store and trust store."""

    @pytest.mark.parametrize(("password", "needed"), [(None, "changeit"), ("s3cret!", "s3cret!")])
    def test_keytool_reads_them(self, alice: Identity, tmp_path: Path, password: str | None, needed: str) -> None:
        """keytool finds the key with its chain in one, and the root as trusted in the other."""
        keytool = require_program("keytool", apt="openjdk-17-jre-headless")
        if not hasattr(pkcs12, "serialize_java_truststore"):
            with pytest.raises(UnsupportedFormat, match="cryptography 45"):
                alice.write_to(tmp_path, password, formats=["java"])
            return
        files = alice.write_to(tmp_path, password, formats=["java"])
        assert files.keystore is not None
        assert files.truststore is not None
        listed = run(keytool, "-list", "-v", "-keystore", files.keystore, "-storepass", needed)
        assert "Alias name: alice\n" in listed
        assert "Entry type: PrivateKeyEntry\nCertificate chain length: 2\n" in listed
        assert alice.fingerprint_sha256 in listed.replace(":", "").lower()
        if password is not None:
            return  # a Java machine takes its time to start
        trusted = run(keytool, "-list", "-keystore", files.truststore, "-storepass", needed)
        assert ", trustedCertEntry," in trusted
        assert "Your keystore contains 1 entry" in trusted

    def test_without_root(self, alice: Identity, tmp_path: Path) -> None:
        """Where the root is not known there is no trust store."""
        files = replace(alice, root=None).write_to(tmp_path, formats=["java"])
        assert (None, None) == (files.truststore, files.root)
        assert files.keystore is not None
        assert Path(files.keystore).exists()


class TestKubernetes:
    """The manifest of a Secret."""

    def test_manifest(self, alice: Identity, tmp_path: Path) -> None:
        """It is a TLS Secret with certificate, key and root."""
        yaml = pytest.importorskip("yaml", reason="needs yaml: python -m pip install pyyaml")
        files = alice.write_to(tmp_path, name="My.Client", formats=["kubernetes"])
        assert files.kubernetes is not None
        assert alice.root is not None
        manifest = yaml.safe_load(Path(files.kubernetes).read_text(encoding="ascii"))
        data = {field: base64.b64decode(value) for field, value in manifest.pop("data").items()}
        assert {
            "apiVersion": "v1",
            "kind": "Secret",
            "type": "kubernetes.io/tls",
            "metadata": {"name": "my-client"},
        } == manifest
        assert files.root is not None
        assert {
            "tls.crt": alice.cert_pem,
            "tls.key": alice.key_pem,
            "ca.crt": Path(files.root).read_bytes(),
        } == data

    def test_password(self, alice: Identity, tmp_path: Path) -> None:
        """A Secret cannot hold an encrypted key: the password is rejected rather than forgotten."""
        with pytest.raises(InvalidArgument, match="password"):
            alice.write_to(tmp_path / "certs", "secret", formats=["kubernetes"])
        assert [] == list(tmp_path.iterdir())


class TestNSS:
    """The database of Firefox, Chromium and curl built with NSS."""

    @pytest.mark.parametrize("password", [None, "s3cret!"])
    def test_certutil_reads_it(self, alice: Identity, tmp_path: Path, password: str | None) -> None:
        """certutil lists the key, and finds the certificate valid for a TLS client."""
        certutil = require_program("certutil", apt="libnss3-tools")
        files = alice.write_to(tmp_path / "db", password, formats=["nss"])
        assert str(tmp_path / "db") == files.nss
        secret = tmp_path / "password"
        secret.write_text(f"{password or ''}\n", encoding="ascii")
        database = ("-d", f"sql:{files.nss}", "-f", str(secret))
        assert "alice" in run(certutil, "-K", *database)
        listed = {line[:60].strip(): line[60:].strip() for line in run(certutil, "-L", *database).splitlines()[4:]}
        assert ("u,u,u", "CT,,") == (listed["alice"], listed["alice root"])
        assert "certificate is valid" in run(certutil, "-V", "-n", "alice", "-u", "C", *database)

    def test_absent_tools(self, alice: Identity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without certutil the error names the package, and nothing is written."""
        monkeypatch.setenv("PATH", "")
        with pytest.raises(MissingProgram, match="libnss3-tools"):
            alice.write_to(tmp_path / "db", formats=["nss"])
        assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("formats", "named"), [(["jks"], "jks"), ("java", "java")], ids=["unknown", "no-list"])
def test_unknown_format(alice: Identity, tmp_path: Path, formats: Sequence[str], named: str) -> None:
    """The error names the format, and lists those there are."""
    with pytest.raises(InvalidArgument, match=f"formats is '{named}'.* pem, pkcs12, java, kubernetes, nss"):
        alice.write_to(tmp_path / "certs", formats=formats)
    assert [] == list(tmp_path.iterdir())


def test_password_of_a_wrong_type(alice: Identity, tmp_path: Path) -> None:
    """A password that is a number is an error of ours, which does not tell it."""
    with pytest.raises(
        InvalidArgument, match=r"password is '\.\.\.', but it must be a str, bytes or None, and not int"
    ):
        alice.write_to(tmp_path / "certs", password=1234)  # type: ignore[arg-type]
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("format", ["java", "nss"])
def test_no_key(alice: Identity, tmp_path: Path, format: str) -> None:
    """A format that wants the true key rejects an identity that has another's."""
    stolen = replace(alice, private_key=None, raw_key_pem=b"whatever\n")
    if format == "nss":
        require_program("certutil", apt="libnss3-tools")
    with pytest.raises(MissingPrivateKey):
        stolen.write_to(tmp_path / "certs", formats=[format])
    assert [] == list(tmp_path.iterdir())
