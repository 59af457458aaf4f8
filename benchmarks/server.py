"""Our server against one hand-written on threads: connections a second, and CPU time for each.

Both servers do the same for a connection: a handshake that requires a client certificate, one HTTP request, an answer that
says who the client is, and an orderly end. Each runs in a process of its own, and so do the clients, whose context is
reused; no session is resumed. Ours checks each chain by CRL, as is its default, and keeps all transcripts. There are two
peers: one checks by the same CRL, and is what the bounds are about; one checks none, as most hand-written servers.
"""

from __future__ import annotations

import json
import socket
import ssl
import statistics
import subprocess
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer
from pytest_mtls.certificates.key import private_key_pem

CLIENTS = (1, 8, 32)
CONNECTIONS = 320
ROUNDS = 7
THROUGHPUT_BOUND = 0.9
CPU_BOUND = 1.15


class HandWritten:
    """A thread that accepts, and one for each connection."""

    def __init__(self, server: Identity, ca: CertificateAuthority, *, revocation: bool) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(server.cert_path, server.key_path)
        self.context.load_verify_locations(ca.cert_path)
        if revocation:
            self.context.load_verify_locations(ca.files.write("crl.pem", b"".join(ca.crl_pems())))
            self.context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN | ssl.VERIFY_X509_STRICT
        self.context.verify_mode = ssl.CERT_REQUIRED
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            sock, _ = self.listener.accept()
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, plain: socket.socket) -> None:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        with self.context.wrap_socket(plain, server_side=True) as sock:
            request = b""
            while b"\r\n\r\n" not in request:
                received = sock.recv(65536)
                if not received:
                    return
                request += received
            certificate: Any = sock.getpeercert()
            told = {
                "subject": certificate["subject"],
                "issuer": certificate["issuer"],
                "serial_number": certificate["serialNumber"],
                "not_after": certificate["notAfter"],
                "tls_version": sock.version(),
                "cipher": (sock.cipher() or ("",))[0],
            }
            body = json.dumps(told).encode()
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            sock.sendall(head.encode() + body)
            with suppress(OSError):  # the client has gone
                sock.unwrap()


def serve(which: str, pem: str, cert: str) -> None:
    """Run one of the servers until standard input ends; tell its CPU time whenever asked."""
    ca, server = CertificateAuthority.load(pem), Identity.load(cert)
    if which == "ours":
        port = MutualTLSServer(cert=server, trust=ca, host="127.0.0.1").start().port
    else:
        port = HandWritten(server, ca, revocation=which == "peer").port
    print(port, flush=True)
    for _ in sys.stdin:
        print(time.process_time(), flush=True)


def connect(port: int, count: int, clients: int, cert: str, ca: str) -> None:
    """Connect so many times from so many threads, and print how long it took."""
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert)

    def client() -> None:
        for _ in range(count // clients):
            with socket.create_connection(("127.0.0.1", port)) as plain:
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
                with context.wrap_socket(plain, server_hostname="localhost") as sock:
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    answer = b""
                    while received := sock.recv(65536):
                        answer += received
                    assert b"200 OK" in answer, answer

    threads = [threading.Thread(target=client) for _ in range(clients)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(time.perf_counter() - started, flush=True)


class Served:
    """A server in a process of its own."""

    def __init__(self, which: str, ca: CertificateAuthority, cert: Identity) -> None:
        assert ca.private_key is not None
        with_key = ca.files.write(f"{which}.pem", private_key_pem(ca.private_key) + ca.pem)
        command = [sys.executable, __file__, which, with_key, cert.combined_path]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def cpu(self) -> float:
        """Seconds of CPU time that it has taken so far."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return float(self._line())

    def run(self, clients: int, client: Identity, ca: CertificateAuthority) -> tuple[float, float]:
        """Connections a second, and CPU seconds for each."""
        count = CONNECTIONS // clients * clients
        command = [sys.executable, __file__, "clients", str(self.port), str(count), str(clients)]
        before = self.cpu()
        said = subprocess.run(
            [*command, client.combined_path, ca.cert_path], stdout=subprocess.PIPE, text=True, check=True
        ).stdout
        return count / float(said), (self.cpu() - before) / count


def main() -> None:
    """Print the ratios."""
    ca = CertificateAuthority.create()
    cert, client = ca.issue_server(), ca.issue_client()
    ours, peer, careless = servers = [Served(which, ca, cert) for which in ("ours", "peer", "peer-without-crl")]
    try:
        for clients in CLIENTS:
            measured: dict[Served, list[tuple[float, float]]] = {server: [] for server in servers}
            for turn in range(ROUNDS + 1):
                for server, results in measured.items():
                    result = server.run(clients, client, ca)
                    if turn:  # the first warms up
                        results.append(result)
            medians = {
                server: [statistics.median(values) for values in zip(*results, strict=True)]
                for server, results in measured.items()
            }
            rate, cpu = (mine / theirs for mine, theirs in zip(medians[ours], medians[peer], strict=True))
            verdicts = ("within" if rate >= THROUGHPUT_BOUND else "BELOW", "within" if cpu <= CPU_BOUND else "ABOVE")
            print(
                f"{clients:2} clients: {medians[ours][0]:.0f} : {medians[peer][0]:.0f} connections a second = {rate:.2f} "
                f"({verdicts[0]} the bound of {THROUGHPUT_BOUND}); CPU {medians[ours][1] * 1e3:.2f} : "
                f"{medians[peer][1] * 1e3:.2f} ms a connection = {cpu:.2f} ({verdicts[1]} the bound of {CPU_BOUND})"
            )
            rate, cpu = (mine / theirs for mine, theirs in zip(medians[ours], medians[careless], strict=True))
            print(f"            a peer that checks no CRL: {rate:.2f} of its throughput, {cpu:.2f} of its CPU time")
    finally:
        for server in servers:
            server.process.kill()
            server.process.communicate()


if __name__ == "__main__":
    if sys.argv[1:2] == ["clients"]:
        port, count, clients = map(int, sys.argv[2:5])
        connect(port, count, clients, sys.argv[5], sys.argv[6])
    elif len(sys.argv) > 1:
        serve(*sys.argv[1:4])
    else:
        main()
