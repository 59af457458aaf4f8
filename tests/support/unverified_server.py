"""A server that asks for a certificate and verifies none, as nginx with ``optional_no_ca``; its application judges."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from cryptography import x509
from OpenSSL import SSL

from pytest_mtls import CertificateAuthority, Endpoint

__all__ = ["unverified_server"]

#: What the application answers to a certificate, as an HTTP status and its words.
Judges = Callable[[x509.Certificate], str]


@contextmanager
def unverified_server(ca: CertificateAuthority, judges: Judges) -> Iterator[Endpoint]:
    """The endpoint of such a server, which takes one connection after the other.

    Args:
        ca: issues its certificate, and would issue its clients'.
        judges: its application.
    """
    identity, context = ca.issue_server(), SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_chain_file(identity.combined_path)
    context.use_privatekey_file(identity.combined_path)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *verdict: True)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_serve, args=(listening, context, judges))
        thread.start()
        try:
            port = listening.getsockname()[1]
            yield Endpoint("127.0.0.1", port, "https", server_name="localhost", trust=ca, ca=ca)
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()


def _serve(listening: socket.socket, context: SSL.Context, judges: Judges) -> None:
    while True:
        try:
            plain, _ = listening.accept()
        except OSError:
            return  # it was shut down
        with plain, suppress(SSL.Error):  # a client that broke off
            _answer(SSL.Connection(context, plain), judges)


def _answer(connection: SSL.Connection, judges: Judges) -> None:
    connection.set_accept_state()
    connection.do_handshake()
    request = b""
    while b"\r\n\r\n" not in request:
        request += connection.recv(65536)
    certificate = connection.get_peer_certificate(as_cryptography=True)
    assert certificate is not None
    connection.sendall(f"HTTP/1.1 {judges(certificate)}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
    connection.shutdown()
