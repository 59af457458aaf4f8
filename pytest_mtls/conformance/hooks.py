"""The part of the plugin that a server under test needs: registered when ``--mtls-target`` is given, and not before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_mtls.conformance.policy import Policy, read_policy
from pytest_mtls.conformance.report import as_json, summary, table
from pytest_mtls.conformance.run import Run, checks
from pytest_mtls.errors import MtlsError
from pytest_mtls.options import TargetOptions, read_target
from pytest_mtls.tls.endpoint import Endpoint

__all__ = ["set_up", "target_of"]

_TARGET = pytest.StashKey[Endpoint]()
_POLICY = pytest.StashKey[Policy]()
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
        config.stash[_POLICY] = read_policy(option("mtls_policy"), pyproject, option("mtls_setting"))
    except MtlsError as error:
        raise pytest.UsageError(str(error)) from error
    except OSError as error:
        raise pytest.UsageError(f"{error.filename}: {error.strerror}") from error


def target_of(config: pytest.Config) -> Endpoint:
    """The endpoint that the options name."""
    return config.stash[_TARGET]


@pytest.fixture(scope="session")
def mtls_conformance(pytestconfig: pytest.Config) -> Run:
    """The `Run` of the server under test."""
    return Run(pytestconfig.stash[_TARGET], pytestconfig.stash[_POLICY])


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is tested."""
    target, policy = config.stash[_TARGET], config.stash[_POLICY]
    claimed = ", ".join(sorted(policy.settings)) or "none"
    return f"mtls target: {target.protocol} at {target}; settings that it claims: {claimed}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print the table, what could not be done, and the summary line; write the report for machines."""
    order = {(case.id, tls): place for place, (case, tls) in enumerate(checks())}
    results = sorted(_results(terminalreporter), key=lambda facts: order[facts["case"], facts["tls"]])
    path = config.getoption("mtls_report")
    if path is not None:
        text = as_json(config.stash[_TARGET], sorted(config.stash[_POLICY].settings), results)
        Path(path).write_text(text, encoding="utf-8")
    if not results:
        return
    target = config.stash[_TARGET]
    terminalreporter.section(f"mTLS of {target.protocol} at {target}", sep="-")
    for line in table(results, only_failures=terminalreporter.verbosity < 0):
        terminalreporter.write_line(line)
    for line in _left_undone(target):
        terminalreporter.write_line(line)
    terminalreporter.write_line(summary(results))


def _results(terminalreporter: pytest.TerminalReporter) -> Iterator[dict[str, Any]]:
    """The facts of every result; they come from xdist's workers too."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            properties = dict(getattr(report, "user_properties", ()))
            if getattr(report, "when", "") == "call" and _MARK_OF_A_RESULT in properties:
                yield {name[len(_PREFIX) :]: value for name, value in properties.items() if name.startswith(_PREFIX)}


def _left_undone(target: Endpoint) -> Iterator[str]:
    if target.ca is None:
        yield "No --mtls-ca was given: nothing could be issued, and no good client was there as a control."
    elif target.ca.private_key is None:
        yield "The CA's private key is not here: only clients that need nothing issued by it were tried."
        if target.client is None:
            yield "No good client was there as a control (--mtls-client-cert): a server that refuses everybody passes."
