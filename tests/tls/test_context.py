"""Contexts: what they send, and that those kept with an identity are made anew when something has changed."""

from __future__ import annotations

import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer, Reason, probe
from pytest_mtls.cases.resigned import EXTENSIONS, VERSION, resign
from pytest_mtls.certificates.trust import Trust
from pytest_mtls.tls.context import client_context, kept_client_context, server_context
from pytest_mtls.tls.keylog import VARIABLE
from pytest_mtls.tls.standard import NO_CERTIFICATE_COMPRESSION


@pytest.fixture
def ca() -> CertificateAuthority:
    """A CA of this test's own."""
    return CertificateAuthority.create()


def test_is_kept_as_long_as_nothing_changes(
    ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The same identity, trust and settings give the same context; a revocation, another setting or a key log a new one."""
    client, trust = ca.issue_client(), Trust.of(ca)
    first = kept_client_context(client, trust)
    assert first is kept_client_context(client, Trust.of(ca))
    assert first is not kept_client_context(client, trust, tls="1.2")
    second = kept_client_context(client, trust)
    ca.revoke(ca.issue_client())
    third = kept_client_context(client, trust)
    assert second is not third
    assert third is not kept_client_context(ca.issue_client(), trust)
    assert third is not kept_client_context(client, Trust.of(CertificateAuthority.create()))
    fourth = kept_client_context(client, trust)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "keys.log"))
    assert fourth is not kept_client_context(client, trust)


def test_revoked_server_is_refused_by_who_trusted_it_before(ca: CertificateAuthority) -> None:
    """A client that has accepted a server rejects it from its revocation on."""
    client, identity = ca.issue_client(), ca.issue_server()
    with MutualTLSServer(cert=identity, trust=ca) as server:
        assert probe(server, client).accepted
        ca.revoke(identity)
        refused = probe(server, client)
    assert (False, "client", "revoked") == (refused.accepted, refused.rejected_by, refused.reason)
    ca.remove_files()


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
def test_root_is_sent_where_openssl_adds_it(ca: CertificateAuthority, tls: str) -> None:
    """A certificate alone goes out with the root that its side trusts, whether the identity knows the root or not."""
    other = CertificateAuthority.create()
    client, foreign, below = ca.issue_client(), other.issue_client(), ca.intermediate().issue_client()
    with MutualTLSServer(cert=ca.issue_server(), trust=[ca, other]) as server:

        def sent(identity: Identity) -> tuple[bytes, ...]:
            return probe(server, identity, ca, tls=tls).sent_chain_der

        root = ca.certificate.public_bytes(Encoding.DER)
        assert (client.der, root) == sent(client) == sent(Identity(client.chain, client.private_key))
        assert (foreign.der,) == sent(foreign)
        assert 2 == len(below.chain) == len(sent(below))
        assert (server.cert.der, root) == probe(server, client, tls=tls).peer_chain_der


def test_certificate_that_is_pinned(ca: CertificateAuthority, mtls_client_cert: Identity) -> None:
    """An end-entity certificate that is trusted on purpose stands for itself, and for no other of its CA."""
    one, other = ca.issue_server(), ca.issue_server()
    pinned = CertificateAuthority.load(one.certificate, unchecked=True)
    with MutualTLSServer(cert=one, trust=ca) as first, MutualTLSServer(cert=other, trust=ca) as second:
        client = ca.issue_client()
        assert True is probe(first, client, pinned).accepted
        seen = probe(second, client, pinned)
    assert (False, "client", Reason.UNKNOWN_CA) == (seen.accepted, seen.rejected_by, seen.reason)


def test_root_of_version_1(ca: CertificateAuthority) -> None:
    """It can be trusted on purpose, where nobody insists on the profile of RFC 5280."""
    assert ca.private_key is not None

    def to_version_1(fields: list[bytes]) -> None:
        del fields[EXTENSIONS]
        del fields[VERSION]

    plain = resign(ca.certificate, ca.private_key, to_version_1)
    root = CertificateAuthority.load(plain, ca.private_key, unchecked=True)
    with MutualTLSServer(cert=root.issue_server(), trust=root, strict=False) as server:
        client = root.issue_client()
        assert True is probe(replace(server.endpoint, strict=False), client).accepted
        assert False is probe(server, client).accepted


def test_root_with_constraints_that_cannot_be(ca: CertificateAuthority) -> None:
    """It can be trusted on purpose: then OpenSSL says what it makes of it."""
    no_network = x509.UnrecognizedExtension(
        x509.OID_NAME_CONSTRAINTS, bytes.fromhex("300ea00c300a87080a000000ff00ff00")
    )
    profile = replace(
        ca.client_profile("odd"), authority=True, extra_extensions=(x509.Extension(no_network.oid, True, no_network),)
    )
    odd = CertificateAuthority.load(CertificateAuthority.self_signed(profile).certificate, unchecked=True)
    with MutualTLSServer(cert=ca.issue_server(), trust=[ca, odd], revocation=False) as server:
        assert True is probe(server, ca.issue_client(), [ca, odd]).accepted


def test_file_with_the_root_holds_it(ca: CertificateAuthority) -> None:
    """It begins as the one without does, and both are private."""
    client = ca.issue_client()
    whole, without = Path(client.combined_path_with_root), Path(client.combined_path)
    assert without.read_bytes() + ca.pem == whole.read_bytes()
    assert [0o600, 0o600] == [path.stat().st_mode & 0o777 for path in (whole, without)]


def test_one_session_ticket(mtls_server: MutualTLSServer, mtls_client_cert: Identity) -> None:
    """A server sends one, which is enough to show that it accepted the client."""
    seen = probe(mtls_server, mtls_client_cert, tls="1.3")
    assert 1 == sum(message.name == "NewSessionTicket" for message in seen.transcript)


def test_no_certificate_is_compressed(ca: CertificateAuthority) -> None:
    """What OpenSSL compresses from 3.2 on, by libraries that Python may not have, nobody could read in a transcript."""
    for context in (client_context(ca.issue_client(), Trust.of(ca)), server_context(ca.issue_server(), Trust.of(ca))):
        is_off = context.options & NO_CERTIFICATE_COMPRESSION == NO_CERTIFICATE_COMPRESSION
        assert (ssl.OPENSSL_VERSION_INFO >= (3, 2)) == is_off
