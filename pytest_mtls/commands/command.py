"""`Command`: what a row of the table is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["ACCEPTED", "FAILED", "INTERRUPTED", "MISTAKE", "Command"]

#: Exit statuses that commands share: what was asked is so, it is not so, and what was asked makes no sense.
ACCEPTED = 0
FAILED = 1
MISTAKE = 2

#: What a shell expects of a program that SIGINT ended: 128 and the number of the signal.
INTERRUPTED = 130


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: what the user types.
        summary: what it does, in half a line, for the list of commands.
        add_arguments: adds its arguments to its parser.
        run: does it, and prints what comes of it. Returns the exit status.
        description: what it does, in full, for its own help; the summary by default.
        takes_rest: whether arguments that the parser does not know are put into ``options.rest`` instead of rejected.
        takes_program: whether what follows ``--`` is another program's command line, for ``options.program``.
    """

    name: str
    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    description: str = ""
    takes_rest: bool = False
    takes_program: bool = False
