"""One test for every way round client authentication: ``test_bypass[resume-across-names]``."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mtls.bypasses import BYPASSES, Bypass
from pytest_mtls.conformance.bypassing import BypassResult
from pytest_mtls.conformance.collected import keep
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.conformance.test_clients import NO_TARGET


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each bypass."""
    if metafunc.config.getoption("mtls_target") is None:
        pytest.fail(NO_TARGET, pytrace=False)
    metafunc.parametrize("bypass", [pytest.param(bypass, id=bypass.id) for bypass in BYPASSES.values()])


@pytest.mark.mtls_bypasses
def test_bypass(
    request: pytest.FixtureRequest, mtls_bypasses: Callable[[Bypass], BypassResult], bypass: Bypass
) -> None:
    """The server does not let an attacker in by this way."""
    result = mtls_bypasses(bypass)
    regression = keep(request.node, result)
    if result.outcome is Outcome.LEFT_OUT:
        pytest.skip(result.finding.note)
    if regression:
        pytest.fail(f"{regression}\n{result.story()}", pytrace=False)
    if result.outcome is Outcome.EXCEPTED:
        pytest.xfail(result.note)
    if result.outcome.is_failure:
        pytest.fail(result.story(), pytrace=False)
