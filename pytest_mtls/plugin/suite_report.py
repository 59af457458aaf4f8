"""``--mtls-report`` of an ordinary suite: the handshakes of each test, those from xdist's workers too, in one report."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from typing import Any

import pytest

from pytest_mtls.certificates.validity import now
from pytest_mtls.conformance.reports import check_report_path
from pytest_mtls.conformance.reports.suite import SUITE_FORMS, make_suite_document, test_facts, write_suite_report
from pytest_mtls.errors import HandshakeAssertionError, MtlsError
from pytest_mtls.server.server import MutualTLSServer
from pytest_mtls.tls.handshake import Handshake

__all__ = ["SuiteReport"]

#: What carries a test's handshakes from a worker of xdist: an attribute of its report, in which all is plain data.
_ATTRIBUTE = "mtls_handshakes"
_LONGEST_MESSAGE = 500


class SuiteReport:
    """Keeps the handshakes of each test, and writes them at the end.

    Args:
        config: pytest's.
        servers_of: the servers that a test started.

    Raises:
        pytest.UsageError: a report cannot be written there.
    """

    def __init__(self, config: pytest.Config, servers_of: Callable[[pytest.Item], Sequence[MutualTLSServer]]) -> None:
        self._config = config
        self._servers_of = servers_of
        self._paths: list[str] = config.getoption("mtls_report")
        self._tests: dict[str, dict[str, Any]] = {}
        self._date, self._start = now(), time.perf_counter()
        try:
            for path in self._paths:
                check_report_path(path, "--mtls-report without --mtls-target", endings=SUITE_FORMS)
        except MtlsError as error:
            raise pytest.UsageError(str(error)) from error

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give a test's handshakes to its report, with which they come to the process that writes."""
        report = yield
        error = call.excinfo.value if call.excinfo is not None else None
        handshakes = list(self._handshakes(item, error)) if call.when == "call" or report.failed else []
        if handshakes and call.when != "teardown":
            facts = test_facts(handshakes)
            if report.failed and error is not None:
                facts["message"] = (str(error).partition("\n")[0] or type(error).__name__)[:_LONGEST_MESSAGE]
            setattr(report, _ATTRIBUTE, facts)
        return report

    def _handshakes(self, item: pytest.Item, error: BaseException | None) -> Generator[Handshake, None, None]:
        """Those that the test's servers saw, and those of a failed assertion about a server that is not ours."""
        seen = [handshake for server in self._servers_of(item) for handshake in server.handshakes]
        yield from seen
        for handshake in error.handshakes if isinstance(error, HandshakeAssertionError) else ():
            if handshake not in seen and handshake.counterpart not in seen:
                yield handshake

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a test's handshakes; one that fails in its teardown has failed."""
        facts = getattr(report, _ATTRIBUTE, None)
        if facts is not None:
            self._tests[report.nodeid] = {"test": report.nodeid, "outcome": report.outcome, **facts}
        elif report.failed and report.nodeid in self._tests:
            self._tests[report.nodeid]["outcome"] = report.outcome

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write the reports."""
        if hasattr(self._config, "workerinput"):
            return
        document = make_suite_document(
            self._config.rootpath.name,
            [self._tests[name] for name in sorted(self._tests)],
            date=self._date,
            passed=exitstatus == pytest.ExitCode.OK,
            seconds=time.perf_counter() - self._start,
        )
        for path in self._paths:
            write_suite_report(path, document)
