"""The whole catalogue: minted, and over both TLS versions, the clients before one server and the servers before our probe."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from pytest_mtls import Case, CertificateAuthority, MutualTLSServer, probe
from pytest_mtls.cases import CATALOGUE

MINT_BOUND, HANDSHAKE_BOUND = 0.150, 2.0
VERSIONS = ("1.2", "1.3")

CLIENTS = CATALOGUE["client"].select(["*"])
SERVERS = CATALOGUE["server"].select(["*"])
#: Those that behave; the others are not about what they present, and one of them hangs.
PLAIN_CLIENTS = [case for case in CLIENTS if not case.options]
PLAIN_SERVERS = [case for case in SERVERS if not case.options]


def mint() -> float:
    """Seconds to make what every case presents, the keys that are made once a process left out."""
    ca = CertificateAuthority.create()
    started = time.perf_counter()
    for case in (*CLIENTS, *SERVERS):
        case.identity(ca)
    return time.perf_counter() - started


def judge_clients() -> tuple[float, int]:
    """Seconds for every client before one server, two at a time, and how many handshakes that is."""
    ca = CertificateAuthority.create()

    def judge(which: tuple[Case, str]) -> bool | None:
        case, tls = which
        return probe(server, case, ca.certificate, tls, ca=ca).accepted

    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server, ThreadPoolExecutor(2) as pool:
        started = time.perf_counter()
        verdicts = list(pool.map(judge, over_both_versions(PLAIN_CLIENTS)))
        took = time.perf_counter() - started
    assert None not in verdicts
    return took, len(verdicts)


def judge_servers() -> tuple[float, int]:
    """Seconds for every server before our probe, two at a time, and how many handshakes that is."""
    ca = CertificateAuthority.create()
    client = ca.issue_client()

    def judge(cases: list[Case]) -> list[bool | None]:
        verdicts = []
        with MutualTLSServer(cert=ca.issue_server(), trust=ca, revocation=False) as server:
            for case in cases:
                server.reload(cert=case)
                verdicts += [probe(server, client, tls=tls).accepted for _, tls in over_both_versions([case])]
        return verdicts

    with ThreadPoolExecutor(2) as pool:
        started = time.perf_counter()
        halves = pool.map(judge, (PLAIN_SERVERS[::2], PLAIN_SERVERS[1::2]))
        verdicts = [verdict for half in halves for verdict in half]
        took = time.perf_counter() - started
    assert None not in verdicts
    return took, len(verdicts)


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
    (clients, first), (servers, second) = min(judge_clients() for _ in range(3)), min(judge_servers() for _ in range(3))
    print(f"{first} clients before one server: {clients:.2f} s")
    print(f"{second} servers before our probe: {servers:.2f} s")
    print(f"together: {clients + servers:.2f} s ({verdict(clients + servers, HANDSHAKE_BOUND)})")


if __name__ == "__main__":
    main()
