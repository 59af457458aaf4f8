"""One test for every server case and TLS version: ``test_server[expired-tls1.3]``, and at the end a good server again."""

from __future__ import annotations

import pytest

from pytest_mtls.cases import Case
from pytest_mtls.conformance.client.checks import CHECKS, check_client
from pytest_mtls.conformance.client.run import ClientRun, client_checks
from pytest_mtls.conformance.collected import keep
from pytest_mtls.conformance.run import Outcome, theme_of
from pytest_mtls.reasons.versions import TLS_VERSIONS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each case and version, marked with the theme of the case."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize(
            ("case", "tls"),
            [
                pytest.param(case, tls, id=f"{case.id}-tls{tls}", marks=getattr(pytest.mark, f"mtls_{theme_of(case)}"))
                for case, tls in client_checks()
            ],
        )
    elif "check" in metafunc.fixturenames:
        metafunc.parametrize("check", list(CHECKS))
    elif "tls" in metafunc.fixturenames:
        metafunc.parametrize("tls", TLS_VERSIONS, ids=lambda tls: f"tls{tls}")


def test_server(request: pytest.FixtureRequest, mtls_client_conformance: ClientRun, case: Case, tls: str) -> None:
    """The client does with this server what it has to."""
    result = mtls_client_conformance.check(case, tls)
    regression = keep(request.node, result)
    if result.outcome is Outcome.LEFT_OUT:
        pytest.skip(result.note)
    if regression:
        pytest.fail(f"{regression}\n{result.story()}", pytrace=False)
    if result.outcome is Outcome.EXCEPTED:
        pytest.xfail(result.note)
    if result.outcome.is_failure:
        pytest.fail(result.story(), pytrace=False)


def test_check(request: pytest.FixtureRequest, mtls_client_conformance: ClientRun, check: str) -> None:
    """The client takes care of its own certificate and key."""
    run = mtls_client_conformance
    result = check_client(run.client, run.policy, check)
    regression = keep(request.node, result)
    if result.outcome is Outcome.LEFT_OUT:
        pytest.skip(result.note)
    if regression:
        pytest.fail(f"{regression}\n{result.story()}", pytrace=False)
    if result.outcome is Outcome.EXCEPTED:
        pytest.xfail(result.note)
    if result.outcome.is_failure:
        pytest.fail(result.story(), pytrace=False)


def test_good_server_at_the_end(mtls_client_conformance: ClientRun, tls: str) -> None:
    """After all of the bad servers the client still reaches a good one, so that it rejected them and not everything."""
    if not mtls_client_conformance.still_works(tls):
        pytest.fail("after the bad servers the client does not reach a good one any more", pytrace=False)
