"""``pytest-mtls check-client``: the conformance run of a client in any language, which is a run of pytest."""

from __future__ import annotations

import argparse
import shlex

from pytest_mtls.commands.check_server import add_options, given, run_suite
from pytest_mtls.commands.command import Command
from pytest_mtls.errors import InvalidOption
from pytest_mtls.reasons.settings import CLIENT_SETTINGS

__all__ = ["CHECK_CLIENT", "OPTIONS"]

#: Those of pytest that a run takes, by their names here. Each is ``--mtls-`` and the name.
OPTIONS: dict[str, tuple[str, str]] = {
    "client-timeout": ("SECONDS", "how long each call of the client may take; 10 by default"),
    "ca": (
        "DIR|FILE",
        "the CA that the client trusts, if it cannot be told one: what `pytest-mtls mint` wrote, or a file",
    ),
    "ca-key": ("FILE", "the private key of that CA"),
    "policy": ("FILE", "expected exceptions, TOML; by default [tool.pytest-mtls.client] of pyproject.toml"),
    "setting": ("NAME", f"a setting that the client claims: {', '.join(CLIENT_SETTINGS)}; several times"),
    "report": ("FILE", "write all results as .json, .html, .md or .sarif; several times"),
    "mapping": ("", "tell in the reports which published requirements each check is evidence for"),
    "baseline": ("FILE", "a check that got weaker than in this file is a failure"),
    "baseline-update": ("", "write the file of --baseline"),
    "rate": ("N", "at most N connections a second"),
}

_EXAMPLE = "pytest-mtls check-client -- curl --cacert {ca} --cert {cert} --key {key} {url}"

_DESCRIPTION = """Have a client in any language meet every server of the catalogue, and say which bad ones it talks to.
What follows -- is its command line; {url} {host} {port} {address} {ca} {crl} {cert} {key} {pem} {p12} {password} {tls} are
filled in. It is a run of pytest: the same as `pytest --pyargs pytest_mtls.conformance --mtls-client COMMAND`. Options that
are not listed here are given to pytest as they are. Exit status: 0 as it should be, 1 not so, 2 no run."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "pytest-mtls check-client [options] -- COMMAND [argument ...]"
    parser.epilog = f"For example: {_EXAMPLE}"
    add_options(parser, OPTIONS)


def _run(options: argparse.Namespace) -> int:
    if not options.program:
        raise InvalidOption("check-client", f"the client's command is missing. Give it after --, as in: {_EXAMPLE}")
    command = options.program[0] if len(options.program) == 1 else shlex.join(options.program)
    return run_suite([f"--mtls-client={command}", *given(options, OPTIONS)], options.rest, as_json=options.json)


CHECK_CLIENT = Command(
    "check-client",
    "have a client meet every server of the catalogue",
    _add_arguments,
    _run,
    _DESCRIPTION,
    takes_rest=True,
    takes_program=True,
)
