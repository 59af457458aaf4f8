"""Rules of the whole suite: in CI (the environment variable CI is set) a skip that nobody expects is a failure."""

from __future__ import annotations

import gc
import os
import signal
import ssl
from collections.abc import Generator
from importlib import import_module
from typing import TypeVar

import pytest
from hypothesis import settings
from support.expected_skips import is_expected

from pytest_mtls import CertificateAuthority, Identity
from pytest_mtls.certificates.trust import Trust
from pytest_mtls.tls.context import server_context

pytest_plugins = ["pytester"]

# A run of pytest inside this process forgets what it imported. What is imported late, and must not be there twice, has to
# be there before.
for _late in ("httpcore", "httpx"):
    import_module(_late)

# A shell starts what it has in the background with Ctrl-C ignored, which the programs would inherit that are tested for it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# An example may take as long as it takes: machines are noisy.
settings.register_profile("suite", deadline=None)
settings.load_profile("suite")

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


def pytest_collection_finish() -> None:
    """Put what the collection made out of the way of the garbage collector, which runs at the end of each run inside."""
    if hasattr(gc, "freeze"):  # not on PyPy
        gc.freeze()


# Both hooks run where the test runs, in a worker of xdist too, so that a report arrives everywhere as the failure it is.


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test that skipped, at set-up or later."""
    return fail_unexpected_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Fail a module that skipped as a whole."""
    return fail_unexpected_skip((yield))


def fail_unexpected_skip(report: Report) -> Report:
    """Turn the report of an unexpected skip into one of a failure; an xfail is not a skip."""
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        reason = skip_reason(report)
        if not is_expected(report.nodeid, reason):
            report.outcome = "failed"
            report.longrepr = f"{report.nodeid} skipped in CI: {reason}\nRun it, or add it to tests/expected_skips.py."
    return report


def skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    """The reason as the test gave it, without the prefix that pytest puts before it."""
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return reason.removeprefix("Skipped: ")


# --- fixtures of many tests --------------------------------------------------------------------------------------------


@pytest.fixture(params=["1.2", "1.3"])
def tls(request: pytest.FixtureRequest) -> str:
    """Each TLS version in turn."""
    version: str = request.param
    return version


@pytest.fixture
def context(mtls_ca: CertificateAuthority, mtls_server_cert: Identity) -> ssl.SSLContext:
    """A server's context, as strict as ours."""
    return server_context(mtls_server_cert, Trust.of(mtls_ca), alpn=["h2", "http/1.1"])
