"""What the tests of handshakes share."""

from __future__ import annotations

import ssl

import pytest

from pytest_mtls import CertificateAuthority, Identity
from pytest_mtls.tls.context import server_context
from pytest_mtls.tls.trust import Trust


@pytest.fixture(params=["1.2", "1.3"])
def tls(request: pytest.FixtureRequest) -> str:
    """Each TLS version in turn."""
    version: str = request.param
    return version


@pytest.fixture
def context(mtls_ca: CertificateAuthority, mtls_server_cert: Identity) -> ssl.SSLContext:
    """A server's context, as strict as ours."""
    return server_context(mtls_server_cert, Trust.of(mtls_ca), alpn=["h2", "http/1.1"])
