"""One test for each check of what a server offers, ``test_offer[tls-1.0]``, and the inventory of all that it offers."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_mtls.conformance.collected import keep, keep_inventory
from pytest_mtls.conformance.offers import OfferResult
from pytest_mtls.conformance.policy import SERVER_CHECKS
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.conformance.test_clients import NO_TARGET


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each check."""
    if metafunc.config.getoption("mtls_target") is None:
        pytest.fail(NO_TARGET, pytrace=False)
    if "check" in metafunc.fixturenames:
        metafunc.parametrize("check", SERVER_CHECKS)


@pytest.mark.mtls_offers
def test_offer(request: pytest.FixtureRequest, mtls_offers: Callable[[str], OfferResult], check: str) -> None:
    """The server offers what it should, and nothing that it should not."""
    result = mtls_offers(check)
    regression = keep(request.node, result)
    if result.outcome is Outcome.LEFT_OUT:
        pytest.skip(result.note)
    if regression:
        pytest.fail(f"{regression}\n{result.story()}", pytrace=False)
    if result.outcome is Outcome.EXCEPTED:
        pytest.xfail(result.note)
    if result.outcome.is_failure:
        pytest.fail(result.story(), pytrace=False)


@pytest.mark.mtls_offers
def test_inventory(request: pytest.FixtureRequest, mtls_inventory: dict[str, list[str]]) -> None:
    """What the server offers goes into the report and the baseline; this never fails."""
    if not mtls_inventory:
        pytest.skip("nothing was found: nobody is there, or the protocol has a probe of its own")
    keep_inventory(request.node, mtls_inventory)
