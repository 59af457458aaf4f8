"""One test for every client case and TLS version: ``test_client[expired-tls1.3]``."""

from __future__ import annotations

import pytest

from pytest_mtls.cases import Case
from pytest_mtls.conformance.ahead import Ahead
from pytest_mtls.conformance.collected import keep
from pytest_mtls.conformance.run import Outcome, checks, theme_of

NO_TARGET = (
    "the conformance tests need a server: pytest --pyargs pytest_mtls.conformance "
    "--mtls-target https://localhost:8443 --mtls-ca certs/"
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each case and version, marked with the theme of the case."""
    if metafunc.config.getoption("mtls_target") is None:
        pytest.fail(NO_TARGET, pytrace=False)
    metafunc.parametrize(
        ("case", "tls"),
        [
            pytest.param(case, tls, id=f"{case.id}-tls{tls}", marks=getattr(pytest.mark, f"mtls_{theme_of(case)}"))
            for case, tls in checks()
        ],
    )


def test_client(request: pytest.FixtureRequest, mtls_conformance: Ahead, case: Case, tls: str) -> None:
    """The server does with this client what it has to."""
    result = mtls_conformance.check(case, tls)
    regression = keep(request.node, result)
    if result.outcome is Outcome.LEFT_OUT:
        pytest.skip(result.note)
    if regression:
        pytest.fail(f"{regression}\n{result.story()}", pytrace=False)
    if result.outcome is Outcome.EXCEPTED:
        pytest.xfail(result.note)
    if result.outcome.is_failure:
        pytest.fail(result.story(), pytrace=False)
