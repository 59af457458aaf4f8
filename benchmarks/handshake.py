"""`probe` and `assert_rejected` with our server, against handshakes written by hand on threads only with `ssl`.

The hand-written client makes its context for each handshake, as most do, or uses one again. Both of our ends check CRLs by
default, and hardly anybody does so by hand: so both are measured with CRLs and without.
"""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading

from compare import compare

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer, Reason, assert_rejected, probe
from pytest_mtls.certificates.trust import Trust

HANDSHAKES = 25


class HandWritten:
    """A server thread that takes a client's handshake on a thread of its own, and the client to it."""

    def __init__(self, ca: CertificateAuthority, *, crls: bool = False) -> None:
        server = ca.issue_server()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server.cert_path, server.key_path)
        self.context.load_verify_locations(ca.cert_path)
        self.context.verify_mode = ssl.CERT_REQUIRED
        if crls:
            check_crls(self.context, ca)
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, plain: socket.socket) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        with self.context.wrap_socket(plain, server_side=True) as sock:
            sock.sendall(b"!")
            sock.recv(1)

    def shake_hands(self, context: ssl.SSLContext) -> None:
        with socket.create_connection(self.listener.getsockname()) as plain:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            sock = context.wrap_socket(plain, server_hostname="localhost")
            assert sock.recv(1) == b"!"  # under TLS 1.3 only now is it known that the server accepts
            sock.close()


def client_context(client: Identity, ca: CertificateAuthority) -> ssl.SSLContext:
    """A client's context as it is made by hand."""
    context = ssl.create_default_context(cafile=ca.cert_path)
    context.load_cert_chain(client.cert_path, client.key_path)
    return context


def check_crls(context: ssl.SSLContext, ca: CertificateAuthority) -> None:
    """Have a context check the whole chain by the CRL of its CA."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"".join(ca.crl_pems()))
        file.flush()
        context.load_verify_locations(file.name)
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN


def main() -> None:
    """Print the ratios."""
    ca = CertificateAuthority.create()
    client = ca.issue_client()
    by_hand, by_hand_with_crls = HandWritten(ca), HandWritten(ca, crls=True)
    with (
        MutualTLSServer(cert=ca.issue_server(), trust=ca) as server,
        MutualTLSServer(cert=ca.issue_server(), trust=ca, revocation=False) as plain_server,
    ):

        def ours() -> None:
            for _ in range(HANDSHAKES):
                assert probe(server, client).accepted

        def theirs() -> None:
            for _ in range(HANDSHAKES):
                by_hand.shake_hands(client_context(client, ca))

        def theirs_reused() -> None:
            for _ in range(HANDSHAKES):
                by_hand.shake_hands(context)

        def theirs_with_crls() -> None:
            for _ in range(HANDSHAKES):
                by_hand_with_crls.shake_hands(context_with_crls)

        def rejected() -> None:
            for _ in range(HANDSHAKES):
                server._accepted.clear()  # as after `reload`, which would be measured too
                assert_rejected(server, expired, Reason.EXPIRED)

        def rejected_again() -> None:
            for _ in range(HANDSHAKES):
                assert_rejected(server, expired, Reason.EXPIRED)

        def without_crls() -> None:
            for _ in range(HANDSHAKES):
                assert probe(plain_server, client, without_keys).accepted

        context, context_with_crls = client_context(client, ca), client_context(client, ca)
        check_crls(context_with_crls, ca)
        without_keys = Trust.of(ca.certificate)  # as whoever has no CRLs
        expired = ca.issue_client(not_before=-10, not_after=-1)
        with_control, after_one = "assert_rejected with its control : one", "assert_rejected after a control : one"
        for what, mine, other, bound in (
            ("probe : hand-written", ours, theirs, 1.3),
            ("probe : hand-written, context used again", ours, theirs_reused, 1.1),
            ("probe : hand-written, context used again, with CRLs", ours, theirs_with_crls, 1.1),
            ("probe without CRLs : hand-written, context used again", without_crls, theirs_reused, 1.1),
            (f"{with_control}, context used again", rejected, theirs_reused, 2.2),
            (f"{with_control}, the same with CRLs", rejected, theirs_with_crls, 2.2),
            (f"{after_one}, context used again", rejected_again, theirs_reused, 1.2),
            (f"{after_one}, the same with CRLs", rejected_again, theirs_with_crls, 1.2),
        ):
            compare(f"{HANDSHAKES} times, {what}", mine, other, rounds=30, bound=bound)


if __name__ == "__main__":
    main()
