"""`Identity` in all its forms."""

from __future__ import annotations

import base64
import os
import stat
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12
from support.requirements import require_program

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind, same_key
from pytest_mtls.errors import KeyMismatch, MissingPrivateKey, UnsupportedKeyKind, UnusableDirectory, WrongPassword


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create().intermediate()


@pytest.fixture(scope="module")
def alice(authority: CertificateAuthority) -> Identity:
    return authority.issue_client("alice", sans=["alice.example"])


def test_forms_of_the_certificate(alice: Identity) -> None:
    """Chain, PEM, DER, fingerprint, subject and serial number tell of the same certificate."""
    assert alice.chain == tuple(x509.load_pem_x509_certificates(alice.cert_pem))
    assert alice.certificate == x509.load_der_x509_certificate(alice.der) == alice.chain[0]
    assert ("CN=alice", alice.certificate.serial_number) == (alice.subject, alice.serial_number)
    assert (64, alice.fingerprint_sha256.lower()) == (len(alice.fingerprint_sha256), alice.fingerprint_sha256)
    assert alice.pem == alice.key_pem + alice.cert_pem


def test_root_is_not_sent(alice: Identity) -> None:
    """The chain ends below the root, which is known all the same."""
    assert alice.root is not None
    assert (2, False) == (len(alice.chain), alice.root in alice.chain)
    alice.chain[-1].verify_directly_issued_by(alice.root)


def test_repr_has_no_key(alice: Identity) -> None:
    """A failing test that prints an identity gives nothing away."""
    assert repr(alice).startswith("<Identity CN=alice, issued by OU=Testing intermediate CA #")
    assert "PRIVATE" not in repr(replace(alice, raw_key_pem=alice.key_pem))


def test_paths(alice: Identity) -> None:
    """Files hold what their names say, the same path each time, and are private."""
    contents = {alice.cert_path: alice.cert_pem, alice.key_path: alice.key_pem, alice.combined_path: alice.pem}
    assert 3 == len(contents)
    for path, content in contents.items():
        assert content == Path(path).read_bytes()
        if os.name != "nt":
            assert 0o600 == stat.S_IMODE(Path(path).stat().st_mode)
    assert list(contents) == [alice.cert_path, alice.key_path, alice.combined_path]


def test_namesakes_have_their_own_files(authority: CertificateAuthority, alice: Identity) -> None:
    """Two identities of the same name do not share files."""
    assert alice.key_path != authority.issue_client("alice").key_path


@pytest.mark.parametrize("password", [None, "secret", b"secret"])
def test_pkcs12(alice: Identity, password: str | bytes | None) -> None:
    """PKCS#12 holds key and chain, and opens with the password."""
    secret = password.encode() if isinstance(password, str) else password
    content = pkcs12.load_pkcs12(alice.pkcs12(password, "friendly"), secret)
    assert content.cert is not None
    assert (alice.certificate, b"friendly") == (content.cert.certificate, content.cert.friendly_name)
    assert list(alice.chain[1:]) == [one.certificate for one in content.additional_certs]


def test_pkcs12_of_unknown_key_kind() -> None:
    """Where cryptography cannot put a key into PKCS#12, the error says so, and the other files are still written."""
    try:
        identity = CertificateAuthority.create().issue_client(key_kind="mldsa44")
    except UnsupportedKeyKind:
        return
    with pytest.raises(UnsupportedKeyKind, match="cannot put it into PKCS#12"):
        identity.pkcs12()


class TestWriteTo:
    """Files to keep."""

    def test_files(self, alice: Identity, tmp_path: Path) -> None:
        """Certificate, key, both, PKCS#12 and root, and nothing else."""
        files = alice.write_to(tmp_path / "certs")
        assert files.pkcs12 is not None
        assert files.root is not None
        assert (alice.cert_pem, alice.key_pem, alice.pem) == tuple(Path(path).read_bytes() for path in files[:3])
        assert sorted(filter(None, files)) == sorted(str(path) for path in (tmp_path / "certs").iterdir())
        assert alice == replace(Identity.load(files.cert, files.key), private_key=alice.private_key, root=alice.root)
        assert alice.certificate == Identity.load(files.pkcs12).certificate

    def test_password(self, alice: Identity, tmp_path: Path) -> None:
        """A password encrypts the key in every file that has it."""
        files = alice.write_to(tmp_path, "secret", name="it")
        assert files.pkcs12 is not None
        assert str(tmp_path / "it.key") == files.key
        for path in (files.key, files.combined, files.pkcs12):
            with pytest.raises(WrongPassword):
                Identity.load(files.cert, path)
            assert alice.certificate == Identity.load(files.cert, path, password="secret").certificate

    def test_no_key(self, alice: Identity, tmp_path: Path) -> None:
        """Without its key, nothing is written."""
        with pytest.raises(MissingPrivateKey):
            replace(alice, private_key=None).write_to(tmp_path / "certs")
        assert [] == list(tmp_path.iterdir())

    def test_name_with_directory(self, alice: Identity, tmp_path: Path) -> None:
        """A name that leads elsewhere is rejected."""
        with pytest.raises(UnusableDirectory):
            alice.write_to(tmp_path, name="../elsewhere")
        assert [] == list(tmp_path.iterdir())


class TestPrivateKey:
    """Which key goes with a certificate."""

    def test_missing(self, alice: Identity) -> None:
        """What needs the key says so, and the rest works without."""
        identity = replace(alice, private_key=None)
        for attribute in ("key_pem", "pem", "key_path", "combined_path", "trustme"):
            with pytest.raises(MissingPrivateKey):
                getattr(identity, attribute)
        with pytest.raises(MissingPrivateKey):
            identity.pkcs12()
        assert identity.cert_pem == alice.cert_pem

    def test_with_private_key(self, alice: Identity) -> None:
        """The key can be given later, as an object or as PEM."""
        assert alice.private_key is not None
        identity = replace(alice, private_key=None)
        assert alice == identity.with_private_key(alice.private_key)
        assert alice.key_pem == identity.with_private_key(alice.key_pem).key_pem

    def test_mismatch(self, alice: Identity, authority: CertificateAuthority) -> None:
        """Another's key is rejected."""
        with pytest.raises(KeyMismatch) as refused:
            alice.with_private_key(authority.issue_client("bob").key_pem)
        assert "CN=alice" == refused.value.subject

    def test_raw_key(self, alice: Identity, tmp_path: Path) -> None:
        """A raw key is given out as it is, unchecked, for bad cases."""
        stolen = replace(alice, private_key=None, raw_key_pem=b"whatever\n")
        assert (b"whatever\n", b"whatever\n" + alice.cert_pem) == (stolen.key_pem, stolen.pem)
        files = stolen.write_to(tmp_path)
        assert (b"whatever\n", None) == (Path(files.key).read_bytes(), files.pkcs12)


@pytest.mark.parametrize("kind", ["p256", "p384", "rsa2048", "ed25519"])
def test_key_pem_is_pkcs8(kind: str) -> None:
    """Keys are written as PKCS#8."""
    identity = CertificateAuthority.create().issue_client(key_kind=kind)
    assert identity.key_pem.startswith(b"-----BEGIN PRIVATE KEY-----\n")
    key = load_pem_private_key(identity.key_pem, None)
    assert same_key(key.public_key(), identity.certificate.public_key())  # type: ignore[arg-type]
    assert KeyKind.parse(kind) is KeyKind.of(identity.certificate.public_key())


def test_given_key() -> None:
    """A certificate can be issued for a key that is there already."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = CertificateAuthority.create()
    assert key is authority.issue(authority.client_profile(), private_key=key).private_key


def test_validity() -> None:
    """An identity says when it holds and for how much longer, by the real clock."""
    ca = CertificateAuthority.create()
    fresh, expired = ca.issue_client(not_after=2), ca.issue_client(not_after=-1)
    assert (fresh.certificate.not_valid_before_utc, fresh.certificate.not_valid_after_utc) == (
        fresh.not_before,
        fresh.not_after,
    )
    assert timedelta(days=2) - timedelta(minutes=1) < fresh.expires_in <= timedelta(days=2)
    assert timedelta(days=-1) - timedelta(minutes=1) < expired.expires_in <= timedelta(days=-1)


def test_what_binds_a_token(mtls_ca: CertificateAuthority, tmp_path: Path) -> None:
    """The thumbprint is the SHA-256 of the certificate in base64url without padding, as openssl has it."""
    identity = mtls_ca.issue_client()
    program = str(require_program("openssl", apt="openssl"))
    words = [program, "x509", "-in", identity.cert_path, "-noout", "-fingerprint", "-sha256"]
    hexadecimal = subprocess.run(words, capture_output=True, text=True, check=True).stdout.rpartition("=")[2]
    digest = base64.urlsafe_b64decode(identity.thumbprint_s256 + "=")
    assert bytes.fromhex(hexadecimal.replace(":", "")) == digest
    assert {"x5t#S256": identity.thumbprint_s256} == identity.confirmation
