"""1,000 rejected clients that each write 300 kB under TLS 1.3: how many see the alert, and how many only a broken pipe.

The peer is a server that just closes after it has rejected.
"""

from __future__ import annotations

import socket
import ssl
import threading
from collections import Counter

from pytest_mtls import CertificateAuthority, MutualTLSServer

CLIENTS = 1000
BYTES = 300_000


def refused(context: ssl.SSLContext, address: tuple[str, int]) -> str:
    """What a rejected client sees."""
    try:
        with (
            socket.create_connection(address) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            sock.sendall(b"x" * BYTES)
            sock.recv(1)
    except ssl.SSLEOFError:
        return "end of stream"
    except ssl.SSLError as error:
        return f"alert: {error.reason}"
    except OSError as error:
        return type(error).__name__
    return "nothing"


def just_closes(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Reject each client, and close."""
    while True:
        plain, _ = listener.accept()
        try:
            context.wrap_socket(plain, server_side=True).close()
        except OSError:
            plain.close()


def main() -> None:
    """Print both counts and the ratio of clients that saw the alert."""
    ca = CertificateAuthority.create()
    expired = ca.issue_client(not_before=-10, not_after=-1)
    client = ssl.create_default_context(cafile=ca.cert_path)
    client.load_cert_chain(expired.combined_path)
    client.minimum_version = ssl.TLSVersion.TLSv1_3
    identity = ca.issue_server()
    closing = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    closing.load_cert_chain(identity.combined_path)
    closing.load_verify_locations(ca.cert_path)
    closing.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("localhost", 0)) as listener, MutualTLSServer(cert=identity, trust=ca) as server:
        threading.Thread(target=just_closes, args=(listener, closing), daemon=True).start()
        peer = Counter(refused(client, listener.getsockname()) for _ in range(CLIENTS))
        ours = Counter(refused(client, server.address) for _ in range(CLIENTS))
        recorded = sum(handshake.accepted is False for handshake in server.handshakes)
    alert = "alert: SSLV3_ALERT_CERTIFICATE_EXPIRED"
    print(f"a server that just closes: {dict(peer)}")
    print(f"MutualTLSServer:           {dict(ours)}, {recorded} rejections recorded")
    print(f"clients that saw the alert, ours : peer = {ours[alert]} : {peer[alert]} of {CLIENTS}")


if __name__ == "__main__":
    main()
