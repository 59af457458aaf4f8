"""The last of very many probes of one server against the first: ``python benchmarks/many.py --handshakes 200000``.

The server keeps all handshakes, so that what is looked up among them is among that many.
"""

from __future__ import annotations

import argparse
import statistics
import time

from pytest_mtls import CertificateAuthority, MutualTLSServer, probe

BOUND = 1.1
MEASURED = 500


def main() -> None:
    """Print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--handshakes", type=int, default=200_000)
    count: int = parser.parse_args().handshakes
    ca = CertificateAuthority.create()
    client = ca.issue_client()
    times: list[float] = []
    with MutualTLSServer(cert=ca.issue_server(), trust=ca, keep=None) as server:
        for _ in range(MEASURED):  # warms up
            assert probe(server, client).accepted
        for _ in range(count):
            started = time.perf_counter()
            assert probe(server, client).accepted
            times.append(time.perf_counter() - started)
    first, last = statistics.median(times[:MEASURED]), statistics.median(times[-MEASURED:])
    verdict = "within" if last / first <= BOUND else "ABOVE"
    print(
        f"{count} probes, the last {MEASURED} : the first {MEASURED}: {last * 1e3:.3f} ms : {first * 1e3:.3f} ms = "
        f"{last / first:.2f} ({verdict} the bound of {BOUND:.2f})"
    )


if __name__ == "__main__":
    main()
