"""The part of the plugin that a server under test needs: registered when ``--mtls-target`` is given, and not before."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_mtls.bypasses import Bypass, Site, Trial
from pytest_mtls.cases import Case
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.conformance.ahead import Ahead
from pytest_mtls.conformance.bypassing import BypassResult, check_bypass
from pytest_mtls.conformance.collected import COLLECTED, Collected, read_baseline
from pytest_mtls.conformance.inventory import take_inventory
from pytest_mtls.conformance.offers import OfferResult, check_offer
from pytest_mtls.conformance.policy import Policy, read_policy
from pytest_mtls.conformance.reports import check_report_path
from pytest_mtls.conformance.responder import answered
from pytest_mtls.conformance.run import Run
from pytest_mtls.conformance.target import TargetOptions, read_target
from pytest_mtls.errors import InvalidArgument, MtlsError

__all__ = ["set_up", "target_of"]

_TARGET = pytest.StashKey[Endpoint]()
_POLICY = pytest.StashKey[Policy]()
_PACKAGE = "pytest_mtls.conformance"
_CONNECT_SECONDS = 5


def set_up(config: pytest.Config) -> None:
    """Read the options.

    Raises:
        pytest.UsageError: one of them cannot be.
    """
    option = config.getoption
    options = TargetOptions(
        target=option("mtls_target"),
        ca=option("mtls_ca"),
        ca_key=option("mtls_ca_key"),
        server_ca=option("mtls_server_ca"),
        server_name=option("mtls_server_name"),
        client=option("mtls_client_cert"),
        rate=option("mtls_rate"),
        workers=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
        allow_remote=option("mtls_allow_remote"),
    )
    try:
        _jobs(config)
        config.stash[_TARGET] = read_target(options)
        pyproject = config.rootpath / "pyproject.toml"
        config.stash[_POLICY] = read_policy(option("mtls_policy"), pyproject, option("mtls_setting") or ())
        for path in option("mtls_report") or ():
            check_report_path(path)
        baseline = read_baseline(option("mtls_baseline"), update=option("mtls_baseline_update"))
    except MtlsError as error:
        raise pytest.UsageError(str(error)) from error
    except OSError as error:
        raise pytest.UsageError(f"{error.filename}: {error.strerror}") from error
    collected = Collected(config, config.stash[_TARGET], config.stash[_POLICY], baseline=baseline)
    config.pluginmanager.register(collected, COLLECTED)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """End a run of the conformance tests before it begins where nobody listens, instead of failing every test of it."""
    config = session.config
    is_ours = any(str(argument).startswith(_PACKAGE) for argument in config.args)
    if not is_ours or config.getoption("collectonly") or hasattr(config, "workerinput"):
        return
    target = config.stash[_TARGET]
    try:
        socket.create_connection(target.address, timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        is_unknown = isinstance(error, socket.gaierror)
        question = "No resolver knows this host: is its name right?" if is_unknown else "Is the server running there?"
        problem = f"cannot connect to {target}: {(error.strerror or str(error)).lower()}. {question}"
        raise pytest.UsageError(f"--mtls-target: {problem}") from None


def _jobs(config: pytest.Config) -> int:
    """How many checks are done at once.

    Raises:
        InvalidArgument: not a number above 0.
    """
    jobs: int | None = config.getoption("mtls_jobs")
    if jobs is not None and jobs < 1:
        raise InvalidArgument("--mtls-jobs", jobs, "how many checks are done at once, a number above 0")
    return jobs or 1


def target_of(config: pytest.Config) -> Endpoint:
    """The endpoint that the options name."""
    return config.stash[_TARGET]


@pytest.fixture(scope="session")
def mtls_answered_target(pytestconfig: pytest.Config) -> Iterator[Endpoint]:
    """The server under test, with an OCSP responder beside it where the setting ``ocsp`` is claimed."""
    with answered(pytestconfig.stash[_TARGET], pytestconfig.stash[_POLICY]) as target:
        yield target


@pytest.fixture(scope="session")
def mtls_conformance(request: pytest.FixtureRequest, mtls_answered_target: Endpoint) -> Iterator[Ahead]:
    """The checks of the server under test, so many at once as ``--mtls-jobs`` says; each worker of xdist does one."""
    config = request.config
    jobs = 1 if hasattr(config, "workerinput") else _jobs(config)
    with Ahead(lambda: Run(mtls_answered_target, config.stash[_POLICY]), _checks_of(request.session), jobs) as ahead:
        yield ahead


def _checks_of(session: pytest.Session) -> list[tuple[Case, str]]:
    """What the tests of this session will ask for, in their order."""
    functions = [item for item in session.items if isinstance(item, pytest.Function)]
    asking: list[dict[str, Any]] = [one.callspec.params for one in functions if "mtls_conformance" in one.fixturenames]
    return [(one["case"], one["tls"]) for one in asking]


@pytest.fixture(scope="session")
def mtls_offers(pytestconfig: pytest.Config) -> Callable[[str], OfferResult]:
    """Makes a check of what the server under test offers."""
    return lambda name: check_offer(pytestconfig.stash[_TARGET], pytestconfig.stash[_POLICY], name)


@pytest.fixture(scope="session")
def mtls_inventory(pytestconfig: pytest.Config) -> dict[str, list[str]]:
    """All that the server under test offers, by kind: versions, cipher suites, groups and so on."""
    return take_inventory(pytestconfig.stash[_TARGET])


@pytest.fixture(scope="session")
def mtls_site(pytestconfig: pytest.Config) -> Site:
    """What else is known of the server under test, by the policy's table ``site``; a suite may override it."""
    return pytestconfig.stash[_POLICY].site


@pytest.fixture(scope="session")
def mtls_bypasses(
    pytestconfig: pytest.Config, mtls_answered_target: Endpoint, mtls_site: Site
) -> Callable[[Bypass], BypassResult]:
    """Tries a bypass on the server under test."""
    policy = pytestconfig.stash[_POLICY]
    trial = Trial(mtls_answered_target, mtls_site, settings=policy.settings)
    return lambda bypass: check_bypass(trial, policy, bypass)


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is tested."""
    target, policy = config.stash[_TARGET], config.stash[_POLICY]
    claimed = ", ".join(sorted(policy.settings)) or "none"
    return f"mtls target: {target.protocol} at {target}; settings that it claims: {claimed}"
