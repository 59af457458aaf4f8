"""The part of the plugin that a server under test needs: registered when ``--mtls-target`` is given, and not before."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_mtls.bypasses import BYPASSES, Bypass, Site, Trial
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.conformance.bypassing import BypassResult, check_bypass, report_id
from pytest_mtls.conformance.policy import Policy, read_policy
from pytest_mtls.conformance.report import as_json, summary, table
from pytest_mtls.conformance.run import Run, checks
from pytest_mtls.conformance.target import TargetOptions, read_target
from pytest_mtls.errors import MtlsError

__all__ = ["set_up", "target_of"]

_TARGET = pytest.StashKey[Endpoint]()
_POLICY = pytest.StashKey[Policy]()
_PACKAGE = "pytest_mtls.conformance"
_CONNECT_SECONDS = 5
_PREFIX = "mtls_"
_MARK_OF_A_RESULT = "mtls_outcome"


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
        config.stash[_TARGET] = read_target(options)
        pyproject = config.rootpath / "pyproject.toml"
        config.stash[_POLICY] = read_policy(option("mtls_policy"), pyproject, option("mtls_setting") or ())
    except MtlsError as error:
        raise pytest.UsageError(str(error)) from error
    except OSError as error:
        raise pytest.UsageError(f"{error.filename}: {error.strerror}") from error
    report = option("mtls_report")
    if report is not None and (Path(report).is_dir() or not Path(report).parent.is_dir()):
        what = f"{report} is a directory" if Path(report).is_dir() else f"there is no directory {Path(report).parent}"
        raise pytest.UsageError(f"--mtls-report: {what}. Give a file in a directory that is there")
    config.pluginmanager.register(Report(config), "mtls-report")


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """End a run of the conformance tests before it begins where nobody listens, in place of failing every test of it."""
    config = session.config
    is_ours = any(str(argument).startswith(_PACKAGE) for argument in config.args)
    if not is_ours or config.getoption("collectonly") or hasattr(config, "workerinput"):
        return
    target = config.stash[_TARGET]
    try:
        socket.create_connection(target.address, timeout=_CONNECT_SECONDS).close()
    except OSError as error:
        problem = f"cannot connect to {target}: {(error.strerror or str(error)).lower()}. Is the server running there?"
        raise pytest.UsageError(f"--mtls-target: {problem}") from None


def target_of(config: pytest.Config) -> Endpoint:
    """The endpoint that the options name."""
    return config.stash[_TARGET]


@pytest.fixture(scope="session")
def mtls_conformance(pytestconfig: pytest.Config) -> Run:
    """The `Run` of the server under test."""
    return Run(pytestconfig.stash[_TARGET], pytestconfig.stash[_POLICY])


@pytest.fixture(scope="session")
def mtls_site(pytestconfig: pytest.Config) -> Site:
    """What else is known of the server under test, by the policy's table ``site``; a suite may override it."""
    return pytestconfig.stash[_POLICY].site


@pytest.fixture(scope="session")
def mtls_bypasses(pytestconfig: pytest.Config, mtls_site: Site) -> Callable[[Bypass], BypassResult]:
    """Tries a bypass on the server under test."""
    policy = pytestconfig.stash[_POLICY]
    trial = Trial(pytestconfig.stash[_TARGET], mtls_site, settings=policy.settings)
    return lambda bypass: check_bypass(trial, policy, bypass)


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is tested."""
    target, policy = config.stash[_TARGET], config.stash[_POLICY]
    claimed = ", ".join(sorted(policy.settings)) or "none"
    return f"mtls target: {target.protocol} at {target}; settings that it claims: {claimed}"


class Report:
    """Keeps the facts of every result, those from xdist's workers too, and tells them at the end."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._facts: dict[tuple[str, str], dict[str, Any]] = {}

    @property
    def _results(self) -> list[dict[str, Any]]:
        """In the order of the catalogue and of the bypasses, and after them what other checks have told in the same way."""
        keys = [*((case.id, tls) for case, tls in checks()), *((report_id(one), "-") for one in BYPASSES.values())]
        order = {key: place for place, key in enumerate(keys)}
        return [self._facts[key] for key in sorted(self._facts, key=lambda key: order.get(key, len(order)))]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take the facts from a test's properties."""
        properties = dict(report.user_properties)
        if report.when == "call" and _MARK_OF_A_RESULT in properties:
            facts = {name[len(_PREFIX) :]: value for name, value in properties.items() if name.startswith(_PREFIX)}
            self._facts[str(facts["case"]), str(facts["tls"])] = facts

    def pytest_sessionfinish(self) -> None:
        """Write the report for machines."""
        path = self._config.getoption("mtls_report")
        if path is not None and not hasattr(self._config, "workerinput"):
            policy = self._config.stash[_POLICY]
            text = as_json(self._config.stash[_TARGET], sorted(policy.settings), self._results)
            Path(path).write_text(text, encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, what could not be done, and the summary line."""
        results = self._results
        if not results:
            return
        target = self._config.stash[_TARGET]
        terminalreporter.section(f"mTLS of {target.protocol} at {target}", sep="-")
        only_failures = terminalreporter.verbosity < 0
        for line in (*table(results, only_failures=only_failures), *_left_undone(target), summary(results)):
            terminalreporter.write_line(line)


def _left_undone(target: Endpoint) -> Iterator[str]:
    if target.ca is None:
        yield "No --mtls-ca was given: nothing could be issued, and no good client was there as a control."
    elif target.ca.private_key is None:
        tried = "need nothing issued by it" if target.client_cases is None else "are in the directory, or need no CA,"
        yield f"The CA's private key is not here: only clients that {tried} were tried."
        if target.client is None:
            yield "No good client was there as a control (--mtls-client-cert): a server that refuses everybody passes."
