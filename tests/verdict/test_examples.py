"""Verdicts that were wrong once, before real servers, each with the right value."""

from __future__ import annotations

import select
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import count

import pytest
from support.nginx import nginx_command, nginx_config
from support.requirements import require_program

from pytest_mtls import (
    CertificateAuthority,
    Endpoint,
    HandshakeAssertionError,
    LaunchedServer,
    MutualTLSServer,
    Reason,
    assert_accepted,
    assert_rejected,
    launch,
    probe,
)
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.cases.presentation import Presentation

Factory = Callable[..., MutualTLSServer]

#: It asks for a certificate of any CA, and the subject decides.
NGINX_BY_NAME = nginx_config("""
    server {
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {server_cert}; ssl_certificate_key {server_key};
        ssl_client_certificate {ca}; ssl_verify_client MODE;
        location / {
            if ($ssl_client_s_dn != "CN=billing") { return 403; }
            return 204;
        }
    }
""")


@pytest.fixture(scope="module")
def ca() -> Iterator[CertificateAuthority]:
    ca = CertificateAuthority.create()
    yield ca
    ca.remove_files()


@contextmanager
def nginx(ca: CertificateAuthority, mode: str) -> Iterator[LaunchedServer]:
    """nginx whose app serves the client called billing, and denies all others."""
    files = {"nginx.conf": NGINX_BY_NAME.replace("MODE", mode)}
    with launch(nginx_command(), files=files, ca=ca, client=ca.issue_client("billing")) as running:
        yield running


@pytest.mark.parametrize("case", ["untrusted-ca", "self-signed-certificate"])
def test_denial_by_subject_hides_no_server_that_does_not_verify(ca: CertificateAuthority, case: str) -> None:
    """The app's 403 for strangers is not a rejection of a bad certificate: the bad namesake of billing gets in, and fails."""
    (bad,) = CATALOGUE["client"].select([case])
    accepted = pytest.raises(HandshakeAssertionError, match="the server accepted the client")
    with nginx(ca, "optional_no_ca") as running, accepted:
        assert_rejected(running.endpoint, bad)
    with nginx(ca, "on") as running:
        assert assert_rejected(running.endpoint, bad).rejected_by == "server"


def test_stranger_whom_the_app_denies_is_not_rejected_as_expired(ca: CertificateAuthority) -> None:
    """A valid client that the app does not know is denied access, and proves nothing about the date."""
    with nginx(ca, "on") as running:
        nobody = ca.issue_client("nobody")
        with pytest.raises(HandshakeAssertionError):
            assert_rejected(running.endpoint, nobody, Reason.EXPIRED)
        assert Reason.ACCESS_DENIED is assert_rejected(running.endpoint, nobody, Reason.ACCESS_DENIED).reason


# --- connections that are reset at once -----------------------------------------------------------------------------


@contextmanager
def front(server: MutualTLSServer, is_reset: Callable[[int], bool]) -> Iterator[Endpoint]:
    """A port before a server that resets some connections at once, by their number, and passes on the others."""
    numbers, is_over, threads = count(), threading.Event(), list[threading.Thread]()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                sock, _ = listener.accept()
                if is_over.is_set():
                    sock.close()
                    return
                if is_reset(next(numbers)):
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    sock.close()
                    continue
                threads.append(threading.Thread(target=_pass_on, args=(sock, server.address)))
                threads[-1].start()

        acceptor = threading.Thread(target=serve)
        acceptor.start()
        try:
            yield replace(server.endpoint, host="127.0.0.1", port=listener.getsockname()[1], protocol="https")
        finally:
            is_over.set()
            socket.create_connection(listener.getsockname()).close()
            acceptor.join()
            for thread in threads:
                thread.join()


def _pass_on(sock: socket.socket, address: tuple[str, int]) -> None:
    """All that either end says, until both have ended."""
    with sock, socket.create_connection(address) as behind:
        other = {sock: behind, behind: sock}
        while other:
            for one in select.select(list(other), [], [])[0]:
                try:
                    data = one.recv(65536)
                    other[one].sendall(data)
                    if not data:
                        other.pop(one).shutdown(socket.SHUT_WR)
                except OSError:
                    return


@pytest.mark.parametrize(
    "is_reset",
    [lambda n: True, lambda n: n % 2 == 0, lambda n: n % 2 == 1, lambda n: n % 3 == 0, lambda n: n > 0],
    ids=["all", "even", "odd", "third", "all but the first"],
)
def test_reset_is_no_rejection_for_a_certificate(
    is_reset: Callable[[int], bool], mtls_server_factory: Factory, mtls_ca: CertificateAuthority
) -> None:
    """A connection that is reset before the certificate went out, or before one was asked for, stands for no defect."""
    valid = mtls_ca.issue_client("alice")
    with front(mtls_server_factory(client_certs="none"), is_reset) as endpoint:
        for _ in range(4):
            with pytest.raises(HandshakeAssertionError):
                assert_rejected(endpoint, valid, Reason.EXPIRED)
            with pytest.raises(HandshakeAssertionError):
                assert_rejected(endpoint, None, Reason.NO_CERTIFICATE)


# --- passwords -------------------------------------------------------------------------------------------------------


def test_password_of_redis_is_sent_and_its_lack_is_no_certificates_fault(ca: CertificateAuthority) -> None:
    """With the password of the endpoint a good client is accepted; without, access is denied and nothing else proved."""
    command = [str(require_program("redis-server", apt="redis-server")), "--port", "0", "--tls-port", "{port}"]
    command += ["--tls-cert-file", "{server_cert}", "--tls-key-file", "{server_key}", "--tls-ca-cert-file", "{ca}"]
    command += ["--requirepass", "secret", "--save", "", "--dir", "{dir}"]
    good, expired = ca.issue_client("alice"), ca.issue_client("alice", not_before=-10, not_after=-1)
    with launch(command, protocol="redis", ca=ca, password="secret") as running:
        assert_accepted(running.endpoint, good)
        assert Reason.EXPIRED is assert_rejected(running.endpoint, expired, Reason.EXPIRED).reason
    with launch(command, protocol="redis", ca=ca) as running:
        assert Reason.ACCESS_DENIED is probe(running.endpoint, good).reason
        with pytest.raises(HandshakeAssertionError):
            assert_rejected(running.endpoint, good, Reason.EXPIRED)


# --- the middle of a handshake ---------------------------------------------------------------------------------------


def certificate_message(chain: tuple[bytes, ...]) -> bytes:
    """The body of a Certificate message of TLS 1.2 (RFC 5246 section 7.4.2)."""
    entries = b"".join(len(der).to_bytes(3, "big") + der for der in chain)
    return len(entries).to_bytes(3, "big") + entries


def test_server_that_is_stopped_in_the_middle_has_judged_nobody(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority
) -> None:
    """It is stopped while the client's certificate is on its way: both ends are undecided, and nobody was rejected."""
    server = mtls_server_factory()

    def stop_and_go_on(chain: tuple[bytes, ...]) -> bytes:
        server.stop()
        return certificate_message(chain)

    seen = probe(server, Presentation(mtls_ca.issue_client("alice"), rewrite=stop_and_go_on), tls="1.2", timeout=60)
    assert (None, None) == (seen.accepted, seen.rejected_by)
    assert seen.counterpart is not None
    assert (None, "the server was stopped in the middle of the handshake") == (
        seen.counterpart.accepted,
        seen.counterpart.error,
    )
