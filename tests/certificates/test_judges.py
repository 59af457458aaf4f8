"""What the CA issues, judged by others: pkilint, the openssl program, and cryptography's own verifier."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store
from support.pkilint_profile import findings
from support.requirements import require_program

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind
from pytest_mtls.certificates.seeded import authority_from_seed
from pytest_mtls.certificates.signing_request import CertificateSigningRequest
from pytest_mtls.errors import UnsupportedKeyKind

NAMES = ("alice.example", "*.alice.example", "10.1.2.3", "2001:db8::1", "alice@mail.example", "spiffe://example.org/a")


def _constrained() -> CertificateAuthority:
    return CertificateAuthority.create(
        "Constrained",
        permitted=[
            *("alice.example", "bob.example", ".server.example"),
            *("@mail.example", "10.0.0.0/8", "2001:db8::/32", "spiffe://example.org"),
        ],
        excluded=["bad.bob.example", "10.255.0.0/16"],
    )


AUTHORITIES: dict[str, Callable[[], CertificateAuthority]] = {
    "root of trustme": CertificateAuthority.create,
    "root with a common name": lambda: CertificateAuthority.create("Example CA", path_length=None),
    "constrained root": _constrained,
    "intermediate": lambda: CertificateAuthority.create().intermediate(),
    "third below": lambda: CertificateAuthority.create().intermediate().intermediate().intermediate("Third"),
    "intermediate of a constrained root": lambda: _constrained().intermediate("Below"),
    "root of a run": lambda: authority_from_seed(os.urandom(32)),
    "impostor": lambda: CertificateAuthority.create().impostor(),
}

IDENTITIES: dict[str, Callable[[CertificateAuthority], Identity]] = {
    "client": lambda ca: ca.issue_client(sans=["alice.example"]),
    "client of many names": lambda ca: ca.issue_client("alice", sans=NAMES, organization="Example"),
    "client of a company": lambda ca: ca.issue_client(
        "alice",
        sans=["alice.example"],
        subject=[("UID", "alice"), ("serialNumber", "42")],
        serial_number=42,
        crl_urls=["http://crl.example/ca.crl"],
        ocsp_urls=["http://ocsp.example/"],
    ),
    "server": lambda ca: ca.issue_server("server.example", "10.0.0.1"),
    "server without common name": lambda ca: ca.issue_server(f"{'a' * 60}.{'b' * 60}.server.example"),
    "renewed": lambda ca: ca.renew(ca.issue_client(sans=["alice.example"])),
    "signed request": lambda ca: ca.sign(CertificateSigningRequest.create("bob", ["bob.example"])),
}


@pytest.mark.parametrize("make_identity", IDENTITIES.values(), ids=list(IDENTITIES))
@pytest.mark.parametrize("make_authority", AUTHORITIES.values(), ids=list(AUTHORITIES))
class TestGoodCertificates:
    """Every kind of good certificate below every kind of good CA."""

    def test_openssl_strict(
        self,
        make_authority: Callable[[], CertificateAuthority],
        make_identity: Callable[[CertificateAuthority], Identity],
        tmp_path: Path,
    ) -> None:
        """`openssl verify -x509_strict` accepts it for its purpose and checks its revocation along the whole chain."""
        authority = make_authority()
        identity = make_identity(authority)
        assert (0, "") == _openssl_verify(authority, identity, tmp_path)

    def test_pkilint(
        self,
        make_authority: Callable[[], CertificateAuthority],
        make_identity: Callable[[CertificateAuthority], Identity],
    ) -> None:
        """pkilint has nothing to say of it, of the CAs above it, and of their CRLs."""
        authority = make_authority()
        identity = make_identity(authority)
        authority.revoke(identity, reason="key_compromise")
        assert identity.root is not None
        documents: tuple[x509.Certificate | x509.CertificateRevocationList, ...] = (
            *identity.chain,
            identity.root,
            *authority.crls(),
        )
        assert [] == [finding for document in documents for finding in findings(document)]


@pytest.mark.parametrize("make_authority", AUTHORITIES.values(), ids=list(AUTHORITIES))
class TestWebRules:
    """cryptography's verifier, which follows the rules of the web, accepts them too."""

    def test_client(self, make_authority: Callable[[], CertificateAuthority]) -> None:
        """A client with DNS names and addresses, where cryptography judges clients (since 43)."""
        if not hasattr(PolicyBuilder, "build_client_verifier"):
            return
        identity = make_authority().issue_client(sans=["alice.example", "10.1.2.3", "2001:db8::1"])
        assert identity.root is not None
        verifier = PolicyBuilder().store(Store([identity.root])).build_client_verifier()
        assert identity.certificate == verifier.verify(identity.certificate, list(identity.chain[1:])).chain[0]

    def test_server(self, make_authority: Callable[[], CertificateAuthority]) -> None:
        """A server by its name."""
        identity = make_authority().issue_server("a.server.example")
        assert identity.root is not None
        name = x509.DNSName("a.server.example")
        verifier = PolicyBuilder().store(Store([identity.root])).build_server_verifier(name)
        assert identity.certificate == verifier.verify(identity.certificate, list(identity.chain[1:]))[0]


@pytest.mark.parametrize("kind", list(KeyKind))
def test_every_key_kind(kind: KeyKind, tmp_path: Path) -> None:
    """A CA and a leaf of each kind pass pkilint, and openssl where it knows the kind."""
    try:
        authority = CertificateAuthority.create(key_kind=kind)
    except UnsupportedKeyKind:
        assert kind.value.startswith("mldsa")
        return
    identity = authority.issue_server(key_kind=kind)
    assert [] == [
        finding for document in (authority.certificate, identity.certificate) for finding in findings(document)
    ]
    if not kind.value.startswith("mldsa"):
        assert (0, "") == _openssl_verify(authority, identity, tmp_path)


def test_revoked_is_refused(tmp_path: Path) -> None:
    """openssl rejects a revoked leaf, and all below a revoked intermediate."""
    root = CertificateAuthority.create()
    below = root.intermediate()
    identity = below.issue_client()
    below.revoke(identity)
    other = below.issue_client()
    assert "certificate revoked" in _openssl_verify(below, identity, tmp_path)[1]
    assert (0, "") == _openssl_verify(below, other, tmp_path)
    root.revoke(below)
    assert "certificate revoked" in _openssl_verify(below, other, tmp_path)[1]


def test_name_constraints_bind(tmp_path: Path) -> None:
    """openssl rejects what a constrained CA issues outside of its names, by type."""
    authority = _constrained()
    for name in (
        "elsewhere.test",
        "bad.bob.example",
        "10.255.0.1",
        "11.0.0.1",
        "spiffe://other.org/a",
        "a@other.example",
    ):
        status, said = _openssl_verify(authority, authority.issue_client(sans=[name]), tmp_path)
        assert (True, True) == (status != 0, "subtree violation" in said), name


def test_path_length_binds(tmp_path: Path) -> None:
    """More intermediates than a CA allows can be made on request, and openssl rejects what is below."""
    authority = CertificateAuthority.create(path_length=0).intermediate(path_length=0)
    assert "path length constraint exceeded" in _openssl_verify(authority, authority.issue_client(), tmp_path)[1]


def test_expired_in_one_way_only(tmp_path: Path) -> None:
    """An expired certificate is rejected as expired, and is good in all else."""
    authority = CertificateAuthority.create()
    for not_after in (-1, timedelta(seconds=-1)):
        identity = authority.issue_client(not_after=not_after)
        assert [] == findings(identity.certificate)
        assert "certificate has expired" in _openssl_verify(authority, identity, tmp_path)[1]


def _openssl_verify(authority: CertificateAuthority, identity: Identity, directory: Path) -> tuple[int, str]:
    """The exit status of ``openssl verify`` with everything switched on, and what it complained of."""
    openssl = require_program("openssl", apt="openssl")
    assert identity.root is not None
    trusted, untrusted, crls = directory / "root.pem", directory / "chain.pem", directory / "crls.pem"
    trusted.write_bytes(identity.root.public_bytes(Encoding.PEM))
    untrusted.write_bytes(identity.cert_pem)
    crls.write_bytes(b"".join(crl.public_bytes(Encoding.PEM) for crl in authority.crls()))
    purpose = "sslclient" if _is_client(identity) else "sslserver"
    options = ["-x509_strict", "-check_ss_sig", "-crl_check_all", "-no-CApath", "-no-CAstore", "-purpose", purpose]
    files = ["-CAfile", str(trusted), "-CRLfile", str(crls), "-untrusted", str(untrusted), str(untrusted)]
    done = subprocess.run([str(openssl), "verify", *options, *files], capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def _is_client(identity: Identity) -> bool:
    usages = identity.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    return ExtendedKeyUsageOID.CLIENT_AUTH in usages
