"""CAs and identities to and from trustme."""

from __future__ import annotations

import ssl

import pytest
import trustme
from cryptography import x509

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.errors import UnsupportedKeyKind


def _chain(leaf: trustme.LeafCert) -> list[x509.Certificate]:
    return [x509.load_pem_x509_certificate(blob.bytes()) for blob in leaf.cert_chain_pems]


class TestFromTrustme:
    """What a suite with trustme has already."""

    def test_root(self) -> None:
        """Its root signs under the same key and certificate, and is given back as it is."""
        theirs = trustme.CA()
        ours = CertificateAuthority.from_trustme(theirs)
        assert theirs.cert_pem.bytes() == ours.pem
        ours.issue_client().certificate.verify_directly_issued_by(ours.certificate)
        assert theirs is ours.trustme

    def test_intermediate(self) -> None:
        """The CAs above come along, with their keys."""
        root = trustme.CA()
        ours = CertificateAuthority.from_trustme(root.create_child_ca().create_child_ca())
        assert (2, root.cert_pem.bytes()) == (len(ours.chain), CertificateAuthority.load(ours.root).pem)  # type: ignore[arg-type]
        assert 3 == len(ours.crls())

    def test_identity(self) -> None:
        """A leaf comes with its chain and key."""
        theirs = trustme.CA().create_child_ca().issue_cert("localhost")
        ours = Identity.from_trustme(theirs)
        assert _chain(theirs) == list(ours.chain)
        assert ours.private_key is not None


class TestToTrustme:
    """What a suite with trustme wants."""

    def test_created_root_is_trustmes(self) -> None:
        """A root that trustme can make is made by it."""
        for kind in ("p256", "rsa2048"):
            ca = CertificateAuthority.create(key_kind=kind, organizational_unit="Unit", path_length=3)
            assert isinstance(ca.trustme, trustme.CA)
            assert ca.certificate.not_valid_after_utc.year > 2030
            assert "OU=Unit,O=pytest-mtls" == ca.subject

    @pytest.mark.parametrize("path_length", [None, 3])
    def test_issues(self, path_length: int | None) -> None:
        """It issues under the same key and certificate, below intermediates too."""
        for ours in (
            CertificateAuthority.create("Root", path_length=path_length),
            CertificateAuthority.create(path_length=path_length).intermediate().intermediate(),
        ):
            chain = _chain(ours.trustme.issue_cert("localhost"))
            assert list(ours.chain) == chain[1:]
            chain[0].verify_directly_issued_by(ours.certificate)
            assert ours.trustme is ours.trustme

    def test_children(self) -> None:
        """Its children stand below it, and only as many as are allowed."""
        ours = CertificateAuthority.create("Root", path_length=1).intermediate()
        with pytest.raises(ValueError, match="path length is 0"):
            ours.trustme.create_child_ca()
        assert ours.parent is not None
        chain = _chain(ours.parent.trustme.create_child_ca().issue_cert("localhost"))
        chain[1].verify_directly_issued_by(ours.parent.certificate)

    def test_without_keys_above(self) -> None:
        """The CAs above need no key to be in the chain."""
        root = CertificateAuthority.create()
        below = root.intermediate()
        loaded = CertificateAuthority.load(below.pem + root.pem, below.private_key)
        assert [below.certificate] == _chain(loaded.trustme.issue_cert("localhost"))[1:]

    def test_configures(self) -> None:
        """Both sides of trustme work on contexts: the trust and the certificate."""
        ca = CertificateAuthority.create()
        ca.trustme.configure_trust(ssl.create_default_context())
        ca.intermediate().issue_server().trustme.configure_cert(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))

    def test_keys_that_trustme_cannot_use(self) -> None:
        """trustme signs with RSA and elliptic curve keys only."""
        with pytest.raises(UnsupportedKeyKind, match="ed25519"):
            _ = CertificateAuthority.create(key_kind="ed25519").trustme
