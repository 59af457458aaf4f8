"""The whole catalogue: minted, and over both TLS versions, the clients before one server and the servers before our probe."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

from pytest_mtls import Case, CertificateAuthority, MutualTLSServer, probe
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.certificates.trust import Trust

MINT_BOUND, HANDSHAKE_BOUND, CLIENTS_BOUND = 0.150, 2.0, 0.5
VERSIONS = ("1.2", "1.3")

CLIENTS = CATALOGUE["client"].select(["*"])
SERVERS = CATALOGUE["server"].select(["*"])
#: Those that behave; the others are not about what they present, and one of them hangs.
PLAIN_CLIENTS = [case for case in CLIENTS if not case.behaviour]
PLAIN_SERVERS = [case for case in SERVERS if not case.behaviour]


def mint() -> float:
    """Seconds to make what every case presents, the keys that are made once a process left out."""
    ca = CertificateAuthority.create()
    started = time.perf_counter()
    for case in (*CLIENTS, *SERVERS):
        case.identity(ca)
    return time.perf_counter() - started


def judge_clients() -> int:
    """Every client before one server; how many handshakes that is."""
    ca = CertificateAuthority.create()
    trust = Trust.of(ca.certificate)  # the servers' chain is not checked by CRL
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
        verdicts = [probe(server, case, trust, tls, ca=ca).accepted for case, tls in over_both_versions(PLAIN_CLIENTS)]
    assert None not in verdicts
    return len(verdicts)


def judge_servers() -> int:
    """Every server before our probe; how many handshakes that is."""
    ca = CertificateAuthority.create()
    client = ca.issue_client()
    verdicts = []
    with MutualTLSServer(cert=ca.issue_server(), trust=ca, revocation=False) as server:
        for case in PLAIN_SERVERS:
            server.reload(cert=case)
            verdicts += [probe(server, client, tls=tls).accepted for _, tls in over_both_versions([case])]
    assert None not in verdicts
    return len(verdicts)


def judge_all(pool: ProcessPoolExecutor) -> tuple[float, int]:
    """Seconds for both, each on a core of its own, and how many handshakes that is."""
    started = time.perf_counter()
    running = [pool.submit(judge) for judge in (judge_clients, judge_servers)]
    count = sum(judged.result() for judged in running)
    return time.perf_counter() - started, count


def timed(judge: Callable[[], int]) -> tuple[float, int]:
    """Seconds that it takes, and how many handshakes that is."""
    started = time.perf_counter()
    count = judge()
    return time.perf_counter() - started, count


def over_both_versions(cases: list[Case]) -> list[tuple[Case, str]]:
    """Each case with each TLS version that it can go over."""
    return [(case, tls) for case in cases for tls in VERSIONS if case.tls in (None, tls)]


def verdict(took: float, bound: float) -> str:
    """Whether it was quick enough."""
    return f"{'within' if took <= bound else 'ABOVE'} the bound of {bound:g} s"


def main() -> None:
    """Print both."""
    mint()  # makes the keys that are made once a process
    took = min(mint() for _ in range(3))
    print(f"{len(CLIENTS) + len(SERVERS)} cases minted: {took * 1e3:.0f} ms ({verdict(took, MINT_BOUND)})")
    with ProcessPoolExecutor(2) as pool:
        judge_all(pool)  # warms up
        took, count = min(judge_all(pool) for _ in range(3))
        clients, of_clients = min(timed(judge_clients) for _ in range(3))
    print(
        f"{of_clients} handshakes, all clients before one server: {clients:.2f} s ({verdict(clients, CLIENTS_BOUND)})"
    )
    print(
        f"{count} handshakes, all clients before one server and all servers before our probe: {took:.2f} s "
        f"({verdict(took, HANDSHAKE_BOUND)})"
    )


if __name__ == "__main__":
    main()
