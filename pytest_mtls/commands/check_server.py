"""``pytest-mtls check-server``: the conformance run of a server, which is a run of pytest."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path

from pytest_mtls.commands.arguments import as_url
from pytest_mtls.commands.command import ACCEPTED, FAILED, INTERRUPTED, MISTAKE, Command
from pytest_mtls.reasons.settings import RUN_SETTINGS

__all__ = ["CHECK_SERVER", "OPTIONS", "add_options", "given", "run_suite"]

#: Those of pytest that a run takes, by their names here: what each takes, and its help. Each is ``--mtls-`` and the name.
OPTIONS: dict[str, tuple[str, str]] = {
    "ca": ("DIR|FILE", "what `pytest-mtls mint` wrote, or the certificate of the clients' CA"),
    "ca-key": ("FILE", "the private key of that CA"),
    "server-ca": ("FILE", "the CA of the server's own certificate, if another; or 'system'"),
    "server-name": ("NAME", "the name to ask the server by, if not the URL's host"),
    "client-cert": ("FILE", "certificate and key, PEM, of a client that the server accepts"),
    "policy": ("FILE", "expected exceptions, TOML; by default [tool.pytest-mtls] of pyproject.toml"),
    "setting": ("NAME", f"a setting that the server claims: {', '.join(RUN_SETTINGS)}; several times"),
    "report": ("FILE", "write all results as .json, .html, .md or .sarif; several times"),
    "mapping": ("", "tell in the reports which published requirements each check is evidence for"),
    "baseline": ("FILE", "a check that got weaker than in this file is a failure"),
    "baseline-update": ("", "write the file of --baseline"),
    "rate": ("N", "at most N connections a second"),
    "jobs": ("N", "check with N clients at once; 1 by default"),
    "allow-remote": ("", "test a server that is not on this machine"),
}
_SEVERAL_TIMES = ("setting", "report")

_DESCRIPTION = """Present the whole catalogue of clients to a server in any language, and say which bad ones it lets in.
It is a run of pytest: the same as `pytest --pyargs pytest_mtls.conformance --mtls-target URL`. Whatever is not listed here
is given to pytest as it is, such as -k, -m, -v, -q, -x and -n. Exit status: 0 as it should be, 1 not so, 2 no run."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", help="the server under test, such as https://localhost:8443 or postgres://localhost")
    add_options(parser, OPTIONS)


def add_options(parser: argparse.ArgumentParser, options: Mapping[str, tuple[str, str]]) -> None:
    """Add options of the plugin, by their names without its prefix."""
    for name, (metavar, help) in options.items():
        if metavar:
            action = "append" if name in _SEVERAL_TIMES else "store"
            parser.add_argument(f"--{name}", metavar=metavar, help=help, action=action)
        else:
            parser.add_argument(f"--{name}", help=help, action="store_true")
    parser.add_argument(
        "--json",
        help="print the report as JSON, for programs; what pytest says goes to the error stream",
        action="store_true",
    )


def _run(options: argparse.Namespace) -> int:
    from pytest_mtls.client.endpoint import Endpoint

    url = as_url(options.url)
    Endpoint.parse(url)  # what is wrong with it is told without a run
    return run_suite([f"--mtls-target={url}", *given(options, OPTIONS)], options.rest, as_json=options.json)


def run_suite(options: Iterable[str], rest: Iterable[str], *, as_json: bool = False) -> int:
    """Run the conformance tests, and give the exit status of a command for that of pytest.

    Args:
        options: those of the plugin.
        rest: pytest's own.
        as_json: whether the report is printed, and what pytest says goes to the error stream.
    """
    import pytest

    # How far a run has come is for who watches it.
    style = [] if (sys.stderr if as_json else sys.stdout).isatty() else ["-o", "console_output_style=classic"]
    run = [*style, "-p", "mtls", "--pyargs", "pytest_mtls.conformance", *options, *rest]
    if as_json:
        with tempfile.TemporaryDirectory(prefix="pytest-mtls-report-") as directory:
            report = Path(directory) / "report.json"
            with redirect_stdout(sys.stderr):
                status = pytest.main([f"--mtls-report={report}", *run])
            if status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and report.exists():
                sys.stdout.write(report.read_text(encoding="utf-8"))
    else:
        status = pytest.main(run)
    return {
        pytest.ExitCode.OK: ACCEPTED,
        pytest.ExitCode.TESTS_FAILED: FAILED,
        pytest.ExitCode.INTERRUPTED: INTERRUPTED,
    }.get(pytest.ExitCode(status), MISTAKE)


def given(options: argparse.Namespace, names: Iterable[str]) -> Iterator[str]:
    """The options that were given, as pytest has them."""
    for name in names:
        value = getattr(options, name.replace("-", "_"))
        if value is True:
            yield f"--mtls-{name}"
        elif value not in (None, False):
            yield from (f"--mtls-{name}={one}" for one in (value if isinstance(value, list) else [value]))


CHECK_SERVER = Command(
    "check-server",
    "present every client of the catalogue to a server",
    _add_arguments,
    _run,
    _DESCRIPTION,
    takes_rest=True,
)
