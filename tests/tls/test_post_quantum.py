"""Post-quantum keys (ML-DSA, RFC 9881) and hybrid key exchange (X25519MLKEM768) on the second engine, where its OpenSSL has them."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.hashes import SHA256
from support.engines import openssl_of_the_second_engine
from support.requirements import require_library

from pytest_mtls import (
    CertificateAuthority,
    Handshake,
    MutualTLSServer,
    Reason,
    assert_accepted,
    assert_rejected,
    probe,
)
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.errors import KeyMismatch, UnsupportedKeyKind
from pytest_mtls.tls.registry import scheme_name

Factory = Callable[..., MutualTLSServer]
PATIENCE = 60.0
HYBRID = "X25519MLKEM768"
#: The first OpenSSL that has both.
WITH_POST_QUANTUM = (3, 5)
KINDS = ("mldsa44", "mldsa65", "mldsa87")


@pytest.fixture
def factory(mtls_server_factory: Factory) -> Factory:
    """Servers by the second engine; skips without it, and where its OpenSSL is too old."""
    found = openssl_of_the_second_engine()
    if found < WITH_POST_QUANTUM:
        pytest.skip(f"needs OpenSSL 3.5 in cryptography, and this is {found[0]}.{found[1]}")
    return lambda **options: mtls_server_factory(engine="pyopenssl", **options)


def proofs(seen: Handshake) -> dict[str, str]:
    """The signature scheme of each side's CertificateVerify."""
    return {
        message.sender: scheme_name(int.from_bytes(message.body[:2], "big"))
        for message in seen.transcript
        if message.name == "CertificateVerify"
    }


# --- the key exchange ------------------------------------------------------------------------------------------------


def test_hybrid_exchange(factory: Factory, mtls_client_cert: Identity) -> None:
    """Two ends of the second engine agree on the hybrid group under TLS 1.3, and both say so."""
    server = factory()
    seen = assert_accepted(server, mtls_client_cert, engine="pyopenssl", timeout=PATIENCE)
    assert (HYBRID, HYBRID) == (seen.group, server.handshakes[-1].group)
    assert "X25519MLKEM768" not in str(probe(server, mtls_client_cert, engine="pyopenssl", tls="1.2").group)


def test_hybrid_exchange_with_another_stack(factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """BoringSSL, as gRPC has it, offers the hybrid group, and it is what the handshake used."""
    require_library("grpc", pip="grpcio")
    import grpc

    server = factory(alpn=["h2"])
    client = mtls_ca.issue_client()
    credentials = grpc.ssl_channel_credentials(mtls_ca.pem, client.key_pem, client.cert_pem)
    options = [("grpc.enable_http_proxy", 0)]
    with (
        server.expect_accepted(client),
        grpc.secure_channel(f"localhost:{server.port}", credentials, options) as channel,
    ):
        call: Any = channel.unary_unary("/service/method")
        with pytest.raises(grpc.RpcError):
            call(b"", timeout=PATIENCE)
    assert {HYBRID} == {one.group for one in server.handshakes}


def test_client_without_it(factory: Factory, mtls_client_cert: Identity) -> None:
    """A client that offers no hybrid group is served by another, and the handshake says which."""
    expected = HYBRID if ssl.OPENSSL_VERSION_INFO[:2] >= WITH_POST_QUANTUM else "x25519"
    for tls in ("1.2", "1.3"):
        seen = assert_accepted(factory(tls=tls), mtls_client_cert, timeout=PATIENCE)
        assert ("x25519" if tls == "1.2" else expected) == seen.group


def test_rejected_client_has_a_group_too(factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """What was exchanged before the verdict is known."""
    expired = mtls_ca.issue_client(not_before=-10, not_after=-1)
    seen = assert_rejected(factory(), expired, Reason.EXPIRED, engine="pyopenssl", timeout=PATIENCE)
    assert HYBRID == seen.group


def test_no_group() -> None:
    """Without messages there is none to name."""
    assert Handshake("client", None).group is None


# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_mutual_tls_with_ml_dsa(factory: Factory, kind: str) -> None:
    """Both sides and the CA have such keys: the proofs are by them, and a bad client is rejected for its reason."""
    ca = CertificateAuthority.create(key_kind=kind)
    server = factory(cert=ca.issue_server(key_kind=kind), trust=ca)
    client = ca.issue_client("alice", key_kind=kind)
    seen = assert_accepted(server, client, engine="pyopenssl", timeout=PATIENCE)
    assert {"client": kind, "server": kind} == proofs(seen)
    assert (client.certificate.fingerprint(SHA256()),) == tuple(
        one.fingerprint(SHA256()) for one in server.handshakes[-1].peer_chain[:1]
    )
    how: dict[str, Any] = {"engine": "pyopenssl", "timeout": PATIENCE}
    assert_rejected(server, ca.issue_client(key_kind=kind, not_before=-10, not_after=-1), Reason.EXPIRED, **how)
    assert_rejected(server, ca.impostor(key_kind=kind).issue_client(key_kind=kind), **how)
    ca.revoke(client)
    assert_rejected(server, client, Reason.REVOKED, **how)
    ca.remove_files()


def test_not_over_tls_1_2(factory: Factory) -> None:
    """There is no signature scheme for such a key before TLS 1.3: that is nobody's certificate's fault."""
    ca = CertificateAuthority.create(key_kind="mldsa44")
    server = factory(cert=ca.issue_server(key_kind="mldsa44"), trust=ca, tls="1.2")
    seen = probe(server, ca.issue_client(key_kind="mldsa44"), engine="pyopenssl", timeout=PATIENCE)
    assert (False, Reason.NO_COMMON_PARAMETERS) == (seen.accepted, seen.reason)


def test_classic_client_of_a_post_quantum_ca(factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """A server may have a classic certificate and take clients of a post-quantum CA, whatever key these have."""
    ca = CertificateAuthority.create(key_kind="mldsa65")
    server = factory(trust=ca)
    how: dict[str, Any] = {"engine": "pyopenssl", "timeout": PATIENCE, "trust": mtls_ca}
    assert {"client": "ecdsa_secp256r1_sha256", "server": "ecdsa_secp256r1_sha256"} == proofs(
        assert_accepted(server, ca.issue_client(key_kind="p256"), **how)
    )
    assert "mldsa44" == proofs(assert_accepted(server, ca.issue_client(key_kind="mldsa44"), **how))["client"]
    assert_rejected(server, mtls_ca.issue_client(), Reason.UNKNOWN_CA, **how)


# --- errors ----------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(ssl.OPENSSL_VERSION_INFO[:2] >= WITH_POST_QUANTUM, reason="Python's own OpenSSL has ML-DSA")
def test_first_engine_names_the_second(factory: Factory) -> None:
    """Where Python's OpenSSL is too old, the error says which has such keys."""
    ca = CertificateAuthority.create(key_kind="mldsa44")
    with pytest.raises(UnsupportedKeyKind, match=r"needs OpenSSL 3\.5, and this is .*give engine='pyopenssl'"):
        MutualTLSServer(cert=ca.issue_server(key_kind="mldsa44"), trust=ca)


def test_mismatch_is_told_by_the_engine_that_sees_it(factory: Factory) -> None:
    """The version of Python's OpenSSL is nothing to the second engine."""
    ca = CertificateAuthority.create(key_kind="mldsa44")
    one, other = (ca.issue_server(key_kind="mldsa44") for _ in range(2))
    with pytest.raises(KeyMismatch):
        factory(cert=Identity(one.chain, other.private_key), trust=ca)
