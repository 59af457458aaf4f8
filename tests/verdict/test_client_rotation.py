"""`MutualTLSServer.expect_rotation` holds for a client that changes over well, and tells of each that does not."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_mtls import (
    CertificateAuthority,
    HandshakeAssertionError,
    Identity,
    MutualTLSServer,
    RotatingFiles,
    probe,
)
from pytest_mtls.errors import InvalidArgument, ServerNotRunning


@pytest.fixture
def old(mtls_ca: CertificateAuthority) -> Identity:
    return mtls_ca.issue_client("alice")


@pytest.fixture
def new(mtls_ca: CertificateAuthority, old: Identity) -> Identity:
    return mtls_ca.renew(old)


@pytest.fixture
def files(tmp_path: Path, old: Identity) -> RotatingFiles:
    return RotatingFiles(old, tmp_path / "certs")


def get(server: MutualTLSServer, cert: Any, verify: str) -> None:
    requests.get(server.url, cert=cert, verify=verify).raise_for_status()


@contextmanager
def polling(server: MutualTLSServer, files: RotatingFiles) -> Iterator[None]:
    """A client in the background that makes connection after connection, each with what the files hold."""
    stop = threading.Event()

    def poll() -> None:
        while not stop.is_set():
            with suppress(OSError, ssl.SSLError):  # it read the files in the middle of their replacement
                get(server, (files.cert_path, files.key_path), files.ca_path)

    thread = threading.Thread(target=poll)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_client_that_reads_its_files_each_time(
    mtls_server: MutualTLSServer, files: RotatingFiles, old: Identity, new: Identity
) -> None:
    """It changes over with the next connection; how long it took is known."""
    with mtls_server.expect_rotation(old, new, within=5) as seen:
        get(mtls_server, (files.cert_path, files.key_path), files.ca_path)
        files.rotate(new)
        for _ in range(2):
            get(mtls_server, (files.cert_path, files.key_path), files.ca_path)
    assert [old.certificate, new.certificate, new.certificate] == [one.peer_certificate for one in seen.handshakes]
    assert seen.seconds is not None
    assert 0 < seen.seconds < 5


def test_client_in_the_background(
    mtls_server: MutualTLSServer, files: RotatingFiles, old: Identity, new: Identity
) -> None:
    """The new certificate is waited for after the block, so that nothing has to sleep in it."""
    with polling(mtls_server, files), mtls_server.expect_rotation(old, new, within=10) as seen:
        files.rotate(new)
    assert new.certificate == seen.handshakes[-1].peer_certificate


def test_others_do_not_count(
    mtls_server: MutualTLSServer,
    mtls_client_cert: Identity,
    mtls_ca: CertificateAuthority,
    old: Identity,
    new: Identity,
) -> None:
    """A health check, and even a rejected stranger, are not the client under test."""
    expired = mtls_ca.issue_client("carol", not_after=-1)
    with mtls_server.expect_rotation(old, new, within=5) as seen:
        for identity in (old, mtls_client_cert, new, expired):
            probe(mtls_server, identity)
    assert 2 == len(seen.handshakes)


# --- clients that do it badly ----------------------------------------------------------------------------------------


@contextmanager
def failing(
    server: MutualTLSServer, old: Identity, new: Identity, within: float = 0.2
) -> Iterator[pytest.ExceptionInfo[HandshakeAssertionError]]:
    """A block that has to fail."""
    with pytest.raises(HandshakeAssertionError) as failed, server.expect_rotation(old, new, within):
        yield failed


def story_of(server: MutualTLSServer, old: Identity, new: Identity, *presented: Identity | None) -> list[str]:
    """What is said of a client that presented these one after the other."""
    with failing(server, old, new) as failed:
        for identity in presented:
            probe(server, identity)
    return str(failed.value).splitlines()


def test_client_that_never_reads_again(mtls_server: MutualTLSServer, old: Identity, new: Identity) -> None:
    """It is told with both certificates and what came."""
    story = story_of(mtls_server, old, new, old, old)
    assert story[0].startswith("the client did not change over to its new certificate within 0.2 s (2 handshakes in 0.")
    assert f"  old:      CN=alice (serial number {old.serial_number:x}, SHA-256 {old.fingerprint_sha256})" == story[2]
    assert f"  new:      CN=alice (serial number {new.serial_number:x}, SHA-256 {new.fingerprint_sha256})" == story[3]
    assert "  handshakes: 2 accepted by both sides, with the old certificate" == story[4]
    assert "  seen:     accepted by both sides" in story


def test_client_that_resumes_its_old_session(mtls_server: MutualTLSServer, old: Identity, new: Identity) -> None:
    """A session that was begun with the old certificate goes on with it, whatever the files hold."""
    context = old.ssl_context(trust=mtls_server.trust, tls="1.2")
    session = None
    with failing(mtls_server, old, new) as failed:
        for _ in range(2):
            plain = socket.create_connection(mtls_server.address)
            with context.wrap_socket(plain, server_hostname="localhost", session=session) as sock:
                session = sock.session
    story = str(failed.value)
    assert "the client did not change over" in story
    assert "1 accepted by both sides, with the old certificate of a resumed session" in story


def test_client_that_goes_back(mtls_server: MutualTLSServer, old: Identity, new: Identity) -> None:
    """A pool with old connections' settings in it presents the old certificate after the new one."""
    story = story_of(mtls_server, old, new, old, new, old, new)
    assert story[0].startswith("the client went back to its old certificate (4 handshakes in ")


def test_client_that_is_rejected_meanwhile(mtls_server: MutualTLSServer, old: Identity, new: Identity) -> None:
    """A client that connects without certificate while its files are half way is rejected, and that is told."""
    story = story_of(mtls_server, old, new, old, None, new)
    assert story[0].startswith(
        "the client was not accepted throughout: rejected by the server: no certificate, with no certificate (3 "
    )


def test_client_that_keeps_its_connection(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, old: Identity, new: Identity
) -> None:
    """A client that goes on with an open connection has not changed over."""
    files = {"cert": (old.cert_path, old.key_path), "verify": mtls_ca.cert_path}
    with requests.Session() as session:
        session.get(mtls_server.url, **files)  # type: ignore[arg-type]
        with failing(mtls_server, old, new) as failed:
            session.get(mtls_server.url, **files)  # type: ignore[arg-type]
    assert str(failed.value).startswith("the client made no new connection (0 handshakes in ")


def test_client_that_is_late(mtls_server: MutualTLSServer, old: Identity, new: Identity) -> None:
    """It changed over, after the time was over."""
    over = threading.Event()
    with failing(mtls_server, old, new, within=0.1) as failed:
        probe(mtls_server, old)
        over.wait(0.15)
        probe(mtls_server, new)
    assert "the client did not change over to its new certificate within 0.1 s: it took 0." in str(failed.value)


def test_what_the_block_raises_passes_through(mtls_server: MutualTLSServer, old: Identity, new: Identity) -> None:
    """Unless what the server saw explains it, the test's own exception is the failure; nothing is waited for then."""

    def block(*presented: Identity) -> None:
        with mtls_server.expect_rotation(old, new, within=60):
            for identity in presented:
                probe(mtls_server, identity)
            raise LookupError("my own")

    with pytest.raises(LookupError, match="my own"):
        block(old, new)
    with pytest.raises(HandshakeAssertionError) as failed:
        block(old)
    assert isinstance(failed.value.__cause__, LookupError)


# --- bad arguments ---------------------------------------------------------------------------------------------------


def test_bad_arguments(mtls_server: MutualTLSServer, old: Identity, new: Identity) -> None:
    """One typed error each, before the block."""
    with pytest.raises(InvalidArgument, match=r"new is .*, but it must be another certificate than the old one"):
        mtls_server.expect_rotation(old, old)
    with pytest.raises(InvalidArgument, match=r"old is 'alice\.crt', but it must be an Identity"):
        mtls_server.expect_rotation("alice.crt", new)  # type: ignore[arg-type]
    with pytest.raises(InvalidArgument, match="within is 0, but it must be a number of seconds above 0"):
        mtls_server.expect_rotation(old, new, within=0)


def test_server_that_does_not_run(
    mtls_ca: CertificateAuthority, mtls_server_cert: Identity, old: Identity, new: Identity
) -> None:
    """It has to run."""
    server = MutualTLSServer(cert=mtls_server_cert, trust=mtls_ca)
    with pytest.raises(ServerNotRunning):
        server.expect_rotation(old, new)
