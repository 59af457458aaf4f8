"""Real servers, started for real: what each makes of every client, and that a mistake in its settings is found."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.alerts_seen import REASON_OF_VERSION, all_alerts_seen, meanings_seen_of
from support.generated_pages import generated_part
from support.real_server_verdicts import PAGE, as_markdown, by_case, recorded
from support.real_servers import SERVERS, Server, policy_of
from support.s_client import s_client_gets_in

from pytest_mtls import CertificateAuthority
from pytest_mtls.bypasses import BYPASSES, Trial, Verdict
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.cases.mint import mint
from pytest_mtls.conformance.run import Outcome, Run
from pytest_mtls.errors import ServerNotLaunched

#: Clients that tell the mistakes apart.
TELLING = ("valid", "no-certificate", "expired", "untrusted-ca", "revoked")
#: The first check tells it, and the others are left out.
_NOBODY_GETS_IN = {"valid"}
#: What fails of those, for each mistake. Where the CA's file is wrong, no good client gets in, and nothing is proved.
FOUND = {
    "optional verification": {"no-certificate"},
    "nothing asked for": {"no-certificate"},
    "verification off": {"no-certificate", "expired", "untrusted-ca"},
    "wrong CA file": _NOBODY_GETS_IN,
    "missing CA file": _NOBODY_GETS_IN,
    "no CRL": {"revoked"},
}
#: What the bypasses find in a server that nothing else is known of.
TRIED = {
    "no-server-name",
    "odd-server-name",
    "older-version",
    "other-cipher-suite",
    "resume-after-refusal",
    "split-client-hello",
    "without-tls",
}

#: These the plain suite starts; the others are in the slow tests.
QUICK = ("nginx", "Go net/http")


@pytest.fixture(scope="session")
def ca() -> Iterator[CertificateAuthority]:
    """The CA of the servers' clients, with only what was minted for them."""
    ca = CertificateAuthority.create()
    yield ca
    ca.remove_files()


@pytest.fixture(scope="session")
def wrong_ca() -> Iterator[CertificateAuthority]:
    ca = CertificateAuthority.create("another CA")
    yield ca
    ca.remove_files()


def expected_of(server: Server) -> dict[str, str]:
    """The verdicts of a server on this Python, by case."""
    verdicts = {id: row[server.name] for id, row in recorded().items()}
    if server.strict_since is not None and sys.version_info[:2] >= server.strict_since:
        verdicts |= {case.id: "tls" for case in CATALOGUE["client"].select(["*"]) if "strict" in case.requires}
    return verdicts


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize(
    "server",
    [
        pytest.param(server, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, server in SERVERS.items()
    ],
)
def test_every_client_comes_to_every_server(
    ca: CertificateAuthority, wrong_ca: CertificateAuthority, server: Server
) -> None:
    """Nothing fails beyond what is agreed, all verdicts are as recorded, and no way round the certificate is found."""
    with server.start(ca, wrong_ca) as running:
        run = Run(running.endpoint, policy_of(server))
        results = list(run.check_all())
        alerts = all_alerts_seen(run, results, server.stack)
        trial = Trial(running.endpoint)
        found = {finding.bypass.id: finding for finding in map(trial.check, BYPASSES.values())}
    assert [] == [result.story() for result in results if result.outcome.is_failure]
    excepted = {result.case.id for result in results if result.outcome is Outcome.EXCEPTED}
    assert set(server.deviations) == excepted
    assert expected_of(server) == by_case(results)
    if server.stack:
        known = meanings_seen_of(server.stack)
        assert alerts <= known
        assert {reason for reason, _ in alerts} == {reason for reason, _ in known}
        by_version = REASON_OF_VERSION.get(server.stack, set())
        assert not {pair for pair in known - alerts if pair[0] not in by_version}
    bypassed = [(id, one.note) for id, one in found.items() if one.verdict in (Verdict.BYPASSED, Verdict.UNDECIDED)]
    assert list(server.bypassed) == [id for id, _ in bypassed], bypassed
    held = {id for id, one in found.items() if one.verdict is Verdict.HELD}
    assert TRIED - ({"without-tls"} if server.protocol in ("tls", "h2", "smtp") else set()) <= held


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize(
    ("server", "mistake"),
    [
        pytest.param(server, twin, id=f"{name}-{twin}", marks=() if name in QUICK else pytest.mark.slow)
        for name, server in SERVERS.items()
        for twin in server.twins
    ],
)
def test_a_mistake_is_found(
    ca: CertificateAuthority, wrong_ca: CertificateAuthority, server: Server, mistake: str
) -> None:
    """Exactly the clients that the mistake is about fail; a server whose CA file is missing may not start either."""
    cases = [case for case in CATALOGUE["client"].select(TELLING) if mistake == "no CRL" or case.id != "revoked"]
    try:
        with server.start(ca, wrong_ca, mistake) as running:
            run = Run(running.endpoint, policy_of(server))
            failed = {case.id for case in cases for tls in ("1.2", "1.3") if run.check(case, tls).outcome.is_failure}
    except ServerNotLaunched:
        if mistake != "missing CA file":
            raise
        return
    assert FOUND[mistake] & {case.id for case in cases} == failed


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@pytest.mark.parametrize(
    "server",
    [
        pytest.param(server, id=name, marks=() if name in QUICK else pytest.mark.slow)
        for name, server in SERVERS.items()
        if server.deviations
    ],
)
def test_deviations_are_those_that_another_client_meets(
    ca: CertificateAuthority, wrong_ca: CertificateAuthority, tmp_path: Path, server: Server
) -> None:
    """openssl s_client with the minted files is let in or rejected as the record says, and with a good client's let in."""
    cases = [one for one in mint(tmp_path / "certs", ca=ca) if one.case.side == "client"]
    minted = {one.case.id: one.identity for one in cases if one.identity is not None}
    with server.start(ca, wrong_ca) as running:
        port = running.endpoint.port
        assert s_client_gets_in(port, minted["valid"], protocol=server.protocol)
        for case, (seen, _) in server.deviations.items():
            assert (seen == "accepted") is s_client_gets_in(port, minted[case], protocol=server.protocol), case


def test_page_is_current() -> None:
    """The documentation of the servers says what is recorded."""
    assert as_markdown(recorded()) == generated_part(PAGE), (
        "run: python tests/support/real_server_verdicts.py --page-only"
    )
