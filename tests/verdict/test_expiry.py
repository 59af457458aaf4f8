"""`assert_expires_after`: every certificate of a chain is valid for long enough."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from pytest_mtls import CertificateAuthority, Endpoint, HandshakeAssertionError, Identity, MutualTLSServer
from pytest_mtls import assert_expires_after as assert_it
from pytest_mtls.errors import InvalidArgument, UnreadableCertificate

Factory = Callable[..., MutualTLSServer]


@pytest.fixture
def chain(mtls_ca: CertificateAuthority) -> Identity:
    """A server for 20 days and a half, by an intermediate that ends in 5 and a half."""
    middle = mtls_ca.intermediate("middle", not_after=5.5)
    return middle.issue_server(not_after=20.5)


def test_first_to_end_of_a_chain_counts(chain: Identity) -> None:
    """What ends first is returned if it lasts, though it is not the leaf; and named, with all the others, if it does not."""
    assert chain.chain[1] == assert_it(chain, days=4)
    with pytest.raises(HandshakeAssertionError) as caught:
        assert_it(chain, days=6)
    lines = str(caught.value).splitlines()
    assert "a certificate of the identity CN=localhost is valid for less than 6 days: ends in 5 days" == lines[0]
    assert lines[2].startswith("  0: CN=localhost; valid until 20")
    assert lines[2].endswith("UTC; ends in 20 days")
    assert lines[3].startswith("  1: CN=middle")
    assert lines[3].endswith("UTC; ends in 5 days  <-- the first to end")
    assert lines[5].startswith("  likely cause: ")


def test_limit_is_exact(mtls_ca: CertificateAuthority) -> None:
    """A certificate for ten days lasts nine, and not ten any more once it is issued."""
    ten = mtls_ca.issue_client("alice", not_after=10)
    assert_it(ten, days=9.99)
    with pytest.raises(HandshakeAssertionError):
        assert_it(ten, days=10)


def test_file_is_read(chain: Identity, tmp_path: Path) -> None:
    """Of a file, every certificate counts; it may be a path or a text."""
    path = tmp_path / "chain.pem"
    path.write_bytes(chain.cert_pem)
    for what in (path, str(path)):
        assert chain.chain[1] == assert_it(what, days=4)
        with pytest.raises(
            HandshakeAssertionError, match=r"a certificate of .*chain\.pem is valid for less than 6 days"
        ):
            assert_it(what, days=6)
    with pytest.raises(UnreadableCertificate):
        assert_it(tmp_path / "absent.pem")


def test_server_need_not_be_trusted_nor_accept(mtls_server_factory: Factory, chain: Identity) -> None:
    """What a server presents counts, to whoever comes without a certificate and does not trust it."""
    server = mtls_server_factory(cert=chain)
    for what in (
        server,
        Endpoint("localhost", server.port),
        ("localhost", server.port),
        f"tls://localhost:{server.port}",
    ):
        assert chain.chain[1] == assert_it(what, days=4)
    with pytest.raises(HandshakeAssertionError, match="less than 6 days") as caught:
        assert_it(server, days=6)
    assert 1 == len(caught.value.handshakes)


def test_expired_certificate_says_since_when(mtls_ca: CertificateAuthority) -> None:
    """One that has ended fails for 0 days too."""
    expired = mtls_ca.issue_client("alice", not_before=-10, not_after=timedelta(hours=-3))
    with pytest.raises(HandshakeAssertionError, match="less than 0 days: ended 3 hours ago"):
        assert_it(expired, days=0)


def test_server_that_is_not_there_has_no_certificate() -> None:
    """Nothing was presented, so nothing lasts."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(HandshakeAssertionError, match="the server presented no certificate: undecided"):
            assert_it(("127.0.0.1", taken.getsockname()[1]))


@pytest.mark.parametrize("days", [-1, "30", None, float("nan"), True])
def test_days_are_a_number(chain: Identity, days: object) -> None:
    """Anything else is a typed error."""
    with pytest.raises(InvalidArgument, match="days is"):
        assert_it(chain, days=days)  # type: ignore[arg-type]
