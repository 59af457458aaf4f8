"""A conformance run of nginx, every client case over TLS 1.2 and 1.3 : as many hand-written requests of a good client.

nginx is started by `launch`, which needs Debian's package ``nginx``, and checks chains by CRL. The hand-written client makes
its context anew from files for each request, as one does that has another certificate each time.
"""

from __future__ import annotations

import socket
import ssl

from compare import seconds_of

from pytest_mtls import CertificateAuthority, Endpoint, Identity, launch
from pytest_mtls.conformance.policy import Policy
from pytest_mtls.conformance.run import Outcome, Run, checks

CONFIG = """
daemon off; pid {dir}/pid; error_log stderr;
events {}
http {
    access_log off; client_body_temp_path {dir}/b; proxy_temp_path {dir}/p;
    fastcgi_temp_path {dir}/f; uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
    server {
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {server_cert}; ssl_certificate_key {server_key};
        ssl_client_certificate {ca}; ssl_crl {crl};
        ssl_verify_client on; ssl_verify_depth 20;
        location / { return 204; }
    }
}
"""
ROUNDS = 5
BOUND_SECONDS = 1.5


def run(target: Endpoint) -> None:
    """Run every check."""
    whole = Run(target, Policy(settings=frozenset({"crl", "usage"})))
    failed = [case.id for case, tls in checks() if whole.check(case, tls).outcome is Outcome.DEVIATES]
    assert not failed, failed


def request(port: int, client: Identity, ca: CertificateAuthority, count: int) -> None:
    """Make so many requests."""
    for _ in range(count):
        context = ssl.create_default_context(cafile=ca.cert_path)
        context.load_cert_chain(client.combined_path)
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as sock,
        ):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while received := sock.recv(65536):
                answer += received
            assert b"204" in answer, answer


def main() -> None:
    """Print the ratio."""
    ca = CertificateAuthority.create()
    client, count = ca.issue_client(), sum(1 for _ in checks())
    with launch(["nginx", "-c", "{dir}/nginx.conf", "-e", "stderr"], files={"nginx.conf": CONFIG}, ca=ca) as server:
        target = server.endpoint
        ours, peer = seconds_of(lambda: run(target), lambda: request(target.port, client, ca, count), rounds=ROUNDS)
    verdict = "within" if ours <= BOUND_SECONDS else "ABOVE"
    print(
        f"{count} checks of nginx : as many requests by hand: {ours:.2f} s : {peer:.2f} s = {ours / peer:.2f} "
        f"({verdict} the bound of {BOUND_SECONDS} s)"
    )


if __name__ == "__main__":
    main()
