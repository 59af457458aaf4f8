"""Certificates, keys and CAs that somebody else made, and everything that can be wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from pytest_mtls.cases import CATALOGUE
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import private_key_pem
from pytest_mtls.errors import (
    IncompleteChain,
    KeyMismatch,
    MissingPrivateKey,
    NotACertificateAuthority,
    UnreadableCertificate,
    UnreadablePrivateKey,
    WrongPassword,
)

#: Name constraints on an IP range whose mask is that of no network: 10.0.0.0/255.0.255.0.
NO_NETWORK = bytes.fromhex("300e a00c 300a 8708 0a000000 ff00ff00")

ROOT = CertificateAuthority.create("Company Root")
BELOW = ROOT.intermediate("Company Issuing")
ALICE = BELOW.issue_client("alice")
BOB = BELOW.issue_client("bob")


def _key(
    identity: Identity | CertificateAuthority, encoding: Encoding, form: PrivateFormat, password: bytes = b""
) -> bytes:
    assert identity.private_key is not None
    return identity.private_key.private_bytes(
        encoding, form, BestAvailableEncryption(password) if password else NoEncryption()
    )


KEYS: dict[str, Callable[[], bytes]] = {
    "PKCS#8 PEM": lambda: ALICE.key_pem,
    "PKCS#8 DER": lambda: _key(ALICE, Encoding.DER, PrivateFormat.PKCS8),
    "SEC1 PEM": lambda: _key(ALICE, Encoding.PEM, PrivateFormat.TraditionalOpenSSL),
    "SEC1 DER": lambda: _key(ALICE, Encoding.DER, PrivateFormat.TraditionalOpenSSL),
    "PKCS#12": ALICE.pkcs12,
    "beside the certificate": lambda: ALICE.pem,
    "after the certificate": lambda: ALICE.cert_pem + ALICE.key_pem,
}


GARBAGE = ["empty", "text", "key", "other DER", "DER cut off", "PEM cut off"]


class TestIdentity:
    """`Identity.load`."""

    @pytest.mark.parametrize("key", KEYS.values(), ids=list(KEYS))
    def test_keys(self, key: Callable[[], bytes], tmp_path: Path) -> None:
        """Every form of key is read, from bytes and from a file."""
        (tmp_path / "key").write_bytes(key())
        for source in (key(), tmp_path / "key", str(tmp_path / "key")):
            assert (ALICE.chain, ALICE.key_pem) == _content(Identity.load(ALICE.cert_pem, source))

    @pytest.mark.parametrize("password", ["secret", b"secret"])
    def test_encrypted(self, password: str | bytes) -> None:
        """Encrypted keys and PKCS#12 open with their password."""
        encrypted = private_key_pem(ALICE.private_key, password)  # type: ignore[arg-type]
        expected = (ALICE.chain, ALICE.key_pem)
        assert expected == _content(Identity.load(encrypted + ALICE.cert_pem, password=password))
        assert expected == _content(Identity.load(ALICE.cert_pem, encrypted, password=password))
        assert expected == _content(Identity.load(ALICE.pkcs12(password), password=password))

    def test_text(self) -> None:
        """PEM may be text."""
        assert ALICE.chain == Identity.load(ALICE.pem.decode()).chain

    def test_password_of_unencrypted_key(self) -> None:
        """A password that is not needed does no harm."""
        assert ALICE.key_pem == Identity.load(ALICE.pem, password="secret").key_pem

    def test_without_key(self) -> None:
        """A certificate can be read without its key, as DER too."""
        identity = Identity.load(ALICE.der)
        assert ((ALICE.certificate,), None) == (identity.chain, identity.private_key)

    def test_any_order(self) -> None:
        """The chain is put in order, the leaf found by its key, and the root kept apart."""
        certificates = ROOT.pem + BELOW.pem + ALICE.certificate.public_bytes(Encoding.PEM)
        identity = Identity.load(certificates, ALICE.key_pem)
        assert (ALICE.chain, ROOT.certificate) == (identity.chain, identity.root)

    def test_curve_parameters_before_key(self) -> None:
        """The parameters that `openssl ecparam` writes before a key are passed over."""
        parameters = b"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
        assert ALICE.key_pem == Identity.load(ALICE.cert_pem, parameters + KEYS["SEC1 PEM"]()).key_pem

    def test_files_apart(self) -> None:
        """A loaded identity has a private directory of its own."""
        identity = Identity.load(ALICE.pem)
        try:
            assert Path(identity.key_path).parent != Path(ALICE.key_path).parent
        finally:
            identity.files.remove()

    @pytest.mark.parametrize(
        "source",
        [b"", b"garbage", ALICE.key_pem, b"\x30\x03\x02\x01\x01", ALICE.der[:100], ALICE.cert_pem[:200]],
        ids=GARBAGE,
    )
    def test_garbage(self, source: bytes, tmp_path: Path) -> None:
        """What holds no certificate is named."""
        with pytest.raises(UnreadableCertificate):
            Identity.load(source)
        (tmp_path / "file").write_bytes(source)
        with pytest.raises(UnreadableCertificate) as refused:
            Identity.load(tmp_path / "file")
        assert str(tmp_path / "file") in str(refused.value)

    @pytest.mark.parametrize(
        "source",
        [b"", b"garbage", ALICE.cert_pem, ALICE.key_pem[:60], ALICE.der],
        ids=["empty", "text", "certificate", "cut off", "DER certificate"],
    )
    def test_garbage_key(self, source: bytes) -> None:
        """What holds no key is rejected."""
        with pytest.raises(UnreadablePrivateKey):
            Identity.load(ALICE.cert_pem, source)

    @pytest.mark.parametrize(
        ("source", "problem"),
        [
            (b"", "it is empty"),
            (b"garbage", "it is neither PEM nor DER"),
            (ALICE.key_pem, "it holds no CERTIFICATE, but PRIVATE KEY"),
            (ALICE.der[:100], "what it holds cannot be parsed"),
            (ALICE.cert_pem[:200], "what it holds cannot be parsed"),
        ],
        ids=["empty", "text", "key", "cut DER", "cut PEM"],
    )
    def test_garbage_is_told_apart(self, source: bytes, problem: str) -> None:
        """The error says whether there is nothing, something else, or something broken."""
        with pytest.raises(UnreadableCertificate) as refused:
            Identity.load(source)
        assert refused.value.problem.startswith(problem)

    def test_pkcs12_without(self) -> None:
        """A PKCS#12 file without certificate or key is rejected by what it lacks."""
        only_certificate = pkcs12.serialize_key_and_certificates(None, None, ALICE.certificate, None, NoEncryption())
        with pytest.raises(UnreadablePrivateKey):
            Identity.load(ALICE.cert_pem, only_certificate)
        only_key = pkcs12.serialize_key_and_certificates(None, ALICE.private_key, None, None, NoEncryption())  # type: ignore[arg-type]
        with pytest.raises(UnreadableCertificate):
            Identity.load(only_key)

    @pytest.mark.parametrize("source", ["missing.pem", "", "a\x00b"])
    def test_no_such_file(self, source: str) -> None:
        """A file that is not there is named."""
        with pytest.raises(UnreadableCertificate) as refused:
            Identity.load(source)
        assert source == refused.value.source

    @pytest.mark.parametrize("source", [5, None, object])
    def test_no_source(self, source: Any) -> None:
        """What is neither bytes nor a path is rejected."""
        with pytest.raises(UnreadableCertificate):
            Identity.load(source)

    @pytest.mark.parametrize(("password", "given"), [(None, False), ("wrong", True)])
    def test_wrong_password(self, password: str | None, given: bool) -> None:
        """A missing and a wrong password are told apart."""
        for source in (private_key_pem(ALICE.private_key, "secret") + ALICE.cert_pem, ALICE.pkcs12("secret")):  # type: ignore[arg-type]
            with pytest.raises(WrongPassword) as refused:
                Identity.load(source, password=password)
            assert given is refused.value.given

    def test_key_mismatch(self) -> None:
        """Another's key is rejected, and the certificate named."""
        with pytest.raises(KeyMismatch) as refused:
            Identity.load(ALICE.cert_pem, BOB.key_pem)
        assert "CN=alice" == refused.value.subject

    def test_certificates_that_do_not_link(self) -> None:
        """What is not of one chain is taken as it is, the identity's own certificate first, with a remark on what is odd."""
        alone = ALICE.certificate.public_bytes(Encoding.PEM)
        bob = BOB.certificate.public_bytes(Encoding.PEM)
        without = Identity.load(alone + ROOT.pem)
        assert ((ALICE.certificate, ROOT.certificate), None) == (without.chain, without.root)
        assert (f"{ROOT.subject} did not issue CN=alice",) == without.remarks
        surplus = Identity.load(bob + ROOT.pem + ALICE.cert_pem, ALICE.key_pem)
        assert (ALICE.certificate, BOB.certificate, ROOT.certificate, BELOW.certificate) == surplus.chain
        assert (ROOT.certificate, 3) == (surplus.root, len(surplus.remarks))
        assert () == Identity.load(ALICE.cert_pem + ROOT.pem).remarks

    def test_root_that_another_one_certified(self) -> None:
        """Of a root that is there by itself and cross-signed, the one that ends the chain is the root."""
        old, new = CertificateAuthority.create("Old"), CertificateAuthority.create("New")
        crossed = old.cross_sign(new)
        client = new.issue_client()
        loaded = Identity.load(client.cert_pem + crossed.pem + old.pem + new.pem)
        assert ((client.certificate, crossed.certificate, old.certificate, new.certificate), new.certificate) == (
            loaded.chain,
            loaded.root,
        )
        assert ((client.certificate, crossed.certificate), old.certificate) == (
            (loaded := Identity.load(old.pem + client.cert_pem + crossed.pem, client.private_key)).chain,
            loaded.root,
        )

    def test_issuers_with_weak_signatures(self) -> None:
        """A certificate that is signed by way of SHA-1 or MD5 belongs to its chain; one whose signature is wrong does not."""
        for id, oddities in (("sha1-intermediate", 0), ("md5-intermediate", 0), ("intermediate-forged", 1)):
            (case,) = CATALOGUE["client"].select([id])
            bad = case.identity(ROOT)
            assert bad is not None
            loaded = Identity.load(bad.cert_pem + ROOT.pem, bad.key_pem)
            assert (id, oddities, bad.chain) == (id, len(loaded.remarks), loaded.chain[: len(bad.chain)])


class TestAuthority:
    """`CertificateAuthority.load`."""

    def test_root(self) -> None:
        """A root with its key issues as before."""
        loaded = CertificateAuthority.load(ROOT.pem, _key(ROOT, Encoding.PEM, PrivateFormat.PKCS8))
        loaded.issue_client().certificate.verify_directly_issued_by(ROOT.certificate)
        assert (ROOT.certificate, (), None) == (loaded.root, loaded.chain, loaded.parent)

    def test_intermediate(self) -> None:
        """An intermediate finds the CAs above it in its file or in ``chain``."""
        key = _key(BELOW, Encoding.PEM, PrivateFormat.PKCS8)
        for loaded in (
            CertificateAuthority.load(key + BELOW.pem + ROOT.pem),
            CertificateAuthority.load(BELOW.pem, key, chain=[ROOT.certificate]),
            CertificateAuthority.load(BELOW.pem, key, chain=ROOT.pem),
            CertificateAuthority.load(BELOW.certificate, BELOW.private_key, chain=ROOT.cert_path),
        ):
            assert ((BELOW.certificate,), ROOT.certificate) == (loaded.chain, loaded.root)
            assert loaded.parent is not None
            assert (ROOT.certificate, None) == (loaded.parent.certificate, loaded.parent.private_key)
            assert 1 == len(loaded.crls())

    def test_incomplete(self) -> None:
        """An intermediate alone is rejected unless that is wanted."""
        with pytest.raises(IncompleteChain) as refused:
            CertificateAuthority.load(BELOW.pem)
        assert (BELOW.subject, ROOT.subject) == (refused.value.subject, refused.value.issuer)
        partial = CertificateAuthority.load(BELOW.pem, partial=True)
        assert ((BELOW.certificate,), None, None) == (partial.chain, partial.root, partial.parent)

    def test_without_key(self) -> None:
        """A CA without its key is trusted, but makes nothing."""
        loaded = CertificateAuthority.load(ROOT.pem)
        for make in (loaded.issue_client, loaded.issue_server, loaded.intermediate, loaded.crl):
            with pytest.raises(MissingPrivateKey) as refused:
                make()
            assert ROOT.subject == refused.value.subject
        with pytest.raises(MissingPrivateKey):
            loaded.revoke(BELOW)
        assert () == loaded.crls()

    def test_leaf(self) -> None:
        """A leaf is not a CA."""
        with pytest.raises(NotACertificateAuthority, match="basicConstraints says CA:FALSE"):
            CertificateAuthority.load(ALICE.cert_pem + ROOT.pem, ALICE.key_pem)

    def test_not_for_signing(self) -> None:
        """Neither is what has no basicConstraints, or whose key usage does not allow it."""
        profile = ROOT.client_profile("none")
        cases: tuple[tuple[dict[str, Any], str], ...] = (
            ({"authority": None}, "no basicConstraints"),
            ({"authority": True}, "key usage is not for signing certificates"),
        )
        for changes, problem in cases:
            certificate = CertificateAuthority.self_signed(replace(profile, **changes)).certificate
            with pytest.raises(NotACertificateAuthority, match=problem):
                CertificateAuthority.load(certificate)

    def test_unchecked(self) -> None:
        """To be trusted on purpose, anything will do; it issues nothing without its key."""
        profile = ROOT.client_profile("none")
        constraints = x509.UnrecognizedExtension(x509.OID_NAME_CONSTRAINTS, NO_NETWORK)
        for certificate in (
            ALICE.certificate,
            CertificateAuthority.self_signed(replace(profile, authority=None)).certificate,
            CertificateAuthority.self_signed(
                replace(
                    profile,
                    authority=True,
                    extra_extensions=(x509.Extension(constraints.oid, True, constraints),),
                )
            ).certificate,
        ):
            with pytest.raises(NotACertificateAuthority, match="unchecked=True"):
                CertificateAuthority.load(certificate, partial=True)
            loaded = CertificateAuthority.load(certificate, unchecked=True)
            assert (certificate, None) == (loaded.certificate, loaded.private_key)

    def test_errors_of_identities(self) -> None:
        """Garbage, wrong keys and wrong passwords are rejected as for identities."""
        with pytest.raises(UnreadableCertificate):
            CertificateAuthority.load(b"garbage")
        with pytest.raises(UnreadableCertificate):
            CertificateAuthority.load(ROOT.pem, chain=b"garbage")
        with pytest.raises(UnreadablePrivateKey):
            CertificateAuthority.load(ROOT.pem, b"garbage")
        with pytest.raises(KeyMismatch):
            CertificateAuthority.load(ROOT.pem, ALICE.key_pem)
        encrypted = _key(ROOT, Encoding.PEM, PrivateFormat.PKCS8, b"secret")
        with pytest.raises(WrongPassword):
            CertificateAuthority.load(ROOT.pem, encrypted)
        assert CertificateAuthority.load(ROOT.pem, encrypted, password="secret").private_key is not None


def _content(identity: Identity) -> tuple[Any, bytes]:
    return identity.chain, identity.key_pem
