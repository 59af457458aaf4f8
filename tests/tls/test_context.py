"""Contexts that are kept with an identity are made anew when something that they are made of has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mtls import CertificateAuthority, MutualTLSServer, probe
from pytest_mtls.certificates.trust import Trust
from pytest_mtls.tls.context import kept_client_context
from pytest_mtls.tls.keylog import VARIABLE


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
