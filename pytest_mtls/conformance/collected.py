"""What the tests of a run found, brought together in one process: kept by each test, told at the end, written as reports."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_mtls.bypasses import BYPASSES
from pytest_mtls.certificates.validity import now
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.conformance.baseline import Change, Snapshot, compare, read_snapshot, regression
from pytest_mtls.conformance.bypassing import BypassResult, report_id
from pytest_mtls.conformance.chains import chain_facts
from pytest_mtls.conformance.inventory import Inventory
from pytest_mtls.conformance.mapping import mapped
from pytest_mtls.conformance.offers import OfferResult, check_id
from pytest_mtls.conformance.policy import SERVER_CHECKS, Policy
from pytest_mtls.conformance.report import summary, table
from pytest_mtls.conformance.reports import check_report_path, write_report
from pytest_mtls.conformance.reports.document import Facts, cleaned, make_document
from pytest_mtls.conformance.reports.evidence import record, server_chain
from pytest_mtls.conformance.run import Result, checks
from pytest_mtls.errors import InvalidOption

__all__ = ["COLLECTED", "Collected", "keep", "keep_inventory", "read_baseline"]

#: What `Collected` is called among pytest's plugins.
COLLECTED = "mtls-report"

_PREFIX = "mtls_"
_OUTCOME = "mtls_outcome"
#: What a test keeps for the report, which is more than fits JUnit XML.
_RECORD = pytest.StashKey[dict[str, Any]]()
#: What carries it from a worker of xdist: an attribute of a test's report, in which all is plain data.
_ATTRIBUTE = "mtls_record"
#: A property of JUnit XML is cut after so many characters.
_LONGEST_PROPERTY = 500


def read_baseline(path: str | None, *, update: bool) -> Snapshot | None:
    """The baseline that a run is compared with.

    Args:
        path: its file; None without one.
        update: whether it is written after the run, so that it need not be there yet.

    Raises:
        InvalidArgument: it cannot be written there.
        InvalidOption: there is nothing to update.
        InvalidReport: it cannot be read.
    """
    if path is None:
        if update:
            raise InvalidOption("--mtls-baseline-update", "it needs --mtls-baseline FILE")
        return None
    check_report_path(path, "--mtls-baseline", endings=(".json",))
    return Snapshot({}) if update and not Path(path).is_file() else read_snapshot(path)


def keep(item: pytest.Item, result: Result | BypassResult | OfferResult) -> str:
    """Keep what a test found: its facts as properties for JUnit XML, and all of it for the reports.

    Args:
        item: the test.
        result: what its check came to.

    Returns:
        How it got weaker than in the baseline, in one line; empty if it did not, or is not compared.
    """
    for name, value in cleaned(result.facts()).items():
        is_long = isinstance(value, str) and len(value) > _LONGEST_PROPERTY
        item.user_properties.append((f"{_PREFIX}{name}", f"{value[:_LONGEST_PROPERTY]}..." if is_long else value))
    kept = record(result)
    chain = chain_facts(server_chain(result))
    item.stash[_RECORD] = {"facts": kept, "server_chain": cleaned(chain)}
    collected: Collected | None = item.config.pluginmanager.get_plugin(COLLECTED)
    return "" if collected is None else collected.regression(kept)


def keep_inventory(item: pytest.Item, inventory: Inventory) -> None:
    """Keep what a server offers, for the reports and the baseline.

    Args:
        item: the test that found it.
        inventory: what it found.
    """
    item.stash[_RECORD] = {"inventory": cleaned({name: list(values) for name, values in inventory.items()})}


class Collected:
    """Keeps the records of all tests, those from xdist's workers too; tells them at the end, and writes the reports.

    Args:
        config: pytest's.
        target: the server under test, or the command of the client under test.
        policy: what is agreed of it.
        order: case and TLS version of each check, in the order to tell them in; by default those of a server.
        baseline: what it is compared with.
    """

    def __init__(
        self,
        config: pytest.Config,
        target: Endpoint | str,
        policy: Policy,
        order: Iterable[tuple[str, str]] | None = None,
        baseline: Snapshot | None = None,
    ) -> None:
        self._config = config
        self._target = target
        self._order = None if order is None else tuple(order)
        self._policy = policy
        self._baseline = baseline
        self._changes: list[Change] = []
        self._facts: dict[tuple[str, str], dict[str, Any]] = {}
        self._server_chains: list[Sequence[Any]] = []
        self._errors: dict[str, None] = {}
        self._inventory: Inventory = {}
        self._date, self._start = now(), time.perf_counter()

    @property
    def results(self) -> list[dict[str, Any]]:
        """In the order of the catalogue and of the bypasses, and after them what other checks have told in the same way."""
        keys = self._order
        if keys is None:
            bypasses = ((report_id(one), "-") for one in BYPASSES.values())
            offers = ((check_id(name), "-") for name in SERVER_CHECKS)
            keys = (*((case.id, tls) for case, tls in checks()), *bypasses, *offers)
        order = {key: place for place, key in enumerate(keys)}
        return [self._facts[key] for key in sorted(self._facts, key=lambda key: order.get(key, len(order)))]

    @property
    def _updates(self) -> bool:
        return bool(self._config.getoption("mtls_baseline_update"))

    def regression(self, facts: Facts) -> str:
        """How a check got weaker than in the baseline, in one line; empty if it did not, or the baseline is written anew."""
        return "" if self._baseline is None or self._updates else regression(self._baseline, facts)

    @property
    def _policy_file(self) -> str | None:
        """The policy's file as seen from the root of the suite; None if it is elsewhere, or there is none."""
        root = self._config.rootpath
        file = Path(self._config.getoption("mtls_policy") or root / "pyproject.toml").resolve()
        return file.relative_to(root).as_posix() if file.is_relative_to(root) and file.is_file() else None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give a test's record to its report, with which it comes to the process that writes."""
        report = yield
        if report.when == "call" and _RECORD in item.stash:
            setattr(report, _ATTRIBUTE, item.stash[_RECORD])
        return report

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take a test's record, or what a test of the suite's own has told by the same properties."""
        properties = dict(report.user_properties)
        kept = getattr(report, _ATTRIBUTE, None)
        if report.when == "call" and _OUTCOME in properties:
            facts = {name[len(_PREFIX) :]: value for name, value in properties.items() if name.startswith(_PREFIX)}
            if kept is not None:
                facts = kept["facts"]
                if kept["server_chain"] and kept["server_chain"] not in self._server_chains:
                    self._server_chains.append(kept["server_chain"])
            self._facts[str(facts["case"]), str(facts["tls"])] = facts
        elif report.when == "call" and kept is not None:
            self._inventory = kept["inventory"]
        elif report.failed:
            self._errors[report.nodeid] = None

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Compare with the baseline, and write it and the reports."""
        if hasattr(self._config, "workerinput"):
            return
        self._compare(session)
        paths = self._config.getoption("mtls_report") or ()
        if not paths:
            return
        document = make_document(
            self._target,
            self._policy,
            self.results,
            date=self._date,
            seconds=time.perf_counter() - self._start,
            server_chains=self._server_chains,
            errors=self._errors,
            policy_file=self._policy_file,
            inventory=self._inventory,
            changes=self._told_changes,
        )
        if self._config.getoption("mtls_mapping"):
            document = mapped(document)
        for path in paths:
            write_report(path, document)

    def _compare(self, session: pytest.Session) -> None:
        if self._baseline is None or not self._facts:
            return
        present = Snapshot.of(self.results, self._inventory)
        self._changes = compare(self._baseline, present)
        if self._updates:
            text = self._baseline.updated_by(present).as_text()
            Path(self._config.getoption("mtls_baseline")).write_text(text, encoding="utf-8", newline="\n")
        elif any(change.is_regression for change in self._changes) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @property
    def _told_changes(self) -> list[dict[str, str]] | None:
        """The changes for a report; None where nothing was compared, or the baseline is written anew."""
        if self._baseline is None or self._updates:
            return None
        return [{"kind": change.kind, "text": change.text} for change in self._changes]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the table, what could not be done, and the summary line."""
        results = self.results
        if not results:
            return
        target = self._target
        title = target if isinstance(target, str) else f"{target.protocol} at {target}"
        terminalreporter.section(f"mTLS of {title}", sep="-")
        only_failures = terminalreporter.verbosity < 0
        for line in (*table(results, only_failures=only_failures), *_left_undone(target), summary(results)):
            terminalreporter.write_line(line)
        if self._baseline is not None:
            file = self._config.getoption("mtls_baseline")
            terminalreporter.section(f"mTLS since the baseline in {file}", sep="-")
            for change in self._changes:
                terminalreporter.write_line(str(change), red=change.is_regression)
            if not self._changes:
                terminalreporter.write_line("nothing changed")
            if self._updates:
                terminalreporter.write_line(f"{file} was written")


def _left_undone(target: Endpoint | str) -> Iterator[str]:
    if isinstance(target, str):
        return
    if target.ca is None:
        yield "No --mtls-ca was given: nothing could be issued, and no good client was there as a control."
    elif target.ca.private_key is None:
        tried = "need nothing issued by it" if target.client_cases is None else "are in the directory, or need no CA,"
        yield f"The CA's private key is not here: only clients that {tried} were tried."
        if target.client is None:
            yield "No good client was there as a control (--mtls-client-cert): a server that rejects everybody passes."
