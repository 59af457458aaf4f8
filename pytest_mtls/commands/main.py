"""The program: it reads the command line, runs the command, and tells a mistake in one line."""

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

from pytest_mtls.commands.command import INTERRUPTED, MISTAKE, Command
from pytest_mtls.commands.interrupt import heard_at_once
from pytest_mtls.commands.table import COMMANDS
from pytest_mtls.errors import InvalidEndpoint, MtlsError

__all__ = ["PROGRAM", "main", "make_parser"]

PROGRAM = "pytest-mtls"
_URLS = "Give one such as https://localhost:8443, or localhost:8443 for TLS only"


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says.

    Args:
        arguments: without the program's name; those of this process by default.

    Returns:
        The exit status: the command's own, or 2 for a mistake, which is told on the error stream in one line.
    """
    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ and find_spec("argcomplete") is not None:
        import_module("argcomplete").autocomplete(parser)
    given, program = _split(sys.argv[1:] if arguments is None else arguments)
    options, rest = parser.parse_known_args(given)
    command: Command = options.command
    options.program = program
    if rest and not command.takes_rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    try:
        with heard_at_once():
            status = command.run(options)
        sys.stdout.flush()
    except InvalidEndpoint as error:  # whose own remedy is for Python
        return _mistake(f"{error.value!r} is not a URL of a server: {error.problem}. {_URLS}.")
    except MtlsError as error:
        return _mistake(str(error))
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough. What is left must not be flushed at the exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        problem = (error.strerror or str(error)).lower()
        return _mistake(f"{os.fsdecode(error.filename)}: {problem}" if error.filename is not None else problem)
    except KeyboardInterrupt:
        return INTERRUPTED
    return status


def _split(arguments: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The arguments of a command, and those after ``--`` of the program that it runs, if it runs one."""
    runs_a_program = {command.name for command in COMMANDS if command.takes_program}
    if not runs_a_program.intersection(arguments[:1]) or "--" not in arguments:
        return arguments, ()
    end = list(arguments).index("--")
    return arguments[:end], arguments[end + 1 :]


def _mistake(problem: str) -> int:
    print(f"{PROGRAM}: {' '.join(problem.split())}", file=sys.stderr)
    return MISTAKE


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands; the reference page is made from it too."""
    parser = argparse.ArgumentParser(
        prog=PROGRAM, description="Mutual TLS: certificates, servers, and who rejects whom."
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the versions of pytest-mtls and of what it rests on"
    )
    commands = parser.add_subparsers(required=True, metavar="command", dest="name")
    for command in COMMANDS:
        added = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.description or f"{command.summary[0].upper()}{command.summary[1:]}.",
            allow_abbrev=not command.takes_rest,
        )
        command.add_arguments(added)
        added.set_defaults(command=command)
    return parser


class _Version(argparse.Action):
    """Looks the versions up when they are asked for: OpenSSL's costs the loading of it."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        print(versions())
        parser.exit()


def versions() -> str:
    """The versions of this package, of Python, of its OpenSSL, and of cryptography with the OpenSSL of its own."""
    import ssl

    from cryptography.hazmat.backends.openssl.backend import backend

    return (
        f"{PROGRAM} {version('pytest-mtls')}\n"
        f"{platform.python_implementation()} {platform.python_version()} with {ssl.OPENSSL_VERSION}\n"
        f"cryptography {version('cryptography')} with {backend.openssl_version_text()}"
    )
