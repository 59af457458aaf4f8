"""A conformance run against a server that takes 50 ms for each connection: several checks at once (``--mtls-jobs``) : one.

The server is hand-written on threads, runs in a process of its own, and waits before each handshake, as one far away does.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from contextlib import suppress

from server import HandWritten

from pytest_mtls import CertificateAuthority, Endpoint, Identity
from pytest_mtls.certificates.key import private_key_pem
from pytest_mtls.conformance.ahead import Ahead
from pytest_mtls.conformance.run import Outcome, Run, checks

SECONDS = 0.05
JOBS = (4, 16)
#: The time may be so many times that of a single check divided by the number of jobs.
BOUND = 2.0


class Slow(HandWritten):
    """Answers nobody before 50 ms are over."""

    def serve(self, plain: socket.socket) -> None:
        time.sleep(SECONDS)
        with suppress(OSError):  # a client that was rejected, or has gone
            super().serve(plain)


def serve(ca: str, cert: str) -> None:
    """Run the server until standard input ends."""
    print(Slow(Identity.load(cert), CertificateAuthority.load(ca), revocation=False).port, flush=True)
    sys.stdin.read()


def run(target: Endpoint, jobs: int) -> float:
    """Seconds that a whole run takes."""
    wanted = list(checks())
    started = time.perf_counter()
    with Ahead(lambda: Run(target), wanted, jobs) as ahead:
        failed = [case.id for case, tls in wanted if ahead.check(case, tls).outcome is Outcome.DEVIATES]
    assert not failed, failed
    return time.perf_counter() - started


def main() -> None:
    """Print the ratios."""
    ca = CertificateAuthority.create()
    assert ca.private_key is not None
    with_key = ca.files.write("ca-with-key.pem", private_key_pem(ca.private_key) + ca.pem)
    command = [sys.executable, __file__, with_key, ca.issue_server().combined_path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        target = Endpoint("127.0.0.1", int(server.stdout.readline()), server_name="localhost", trust=ca, ca=ca)
        try:
            one_at_a_time = run(target, 1)
            count = sum(1 for _ in checks())
            for jobs in JOBS:
                took = run(target, jobs)
                share = took * jobs / one_at_a_time
                verdict = "within" if share <= BOUND else "ABOVE"
                print(
                    f"{count} checks, {jobs} at once : one at a time: {took:.2f} s : {one_at_a_time:.2f} s = "
                    f"{took / one_at_a_time:.3f}, {share:.2f} times 1/{jobs} ({verdict} the bound of {BOUND:g})"
                )
        finally:
            server.kill()


if __name__ == "__main__":
    serve(*sys.argv[1:]) if len(sys.argv) > 1 else main()
