"""The table of all commands, in the order in which the help lists them."""

from __future__ import annotations

from pytest_mtls.commands.cases import CASES
from pytest_mtls.commands.check_client import CHECK_CLIENT
from pytest_mtls.commands.check_server import CHECK_SERVER
from pytest_mtls.commands.command import Command
from pytest_mtls.commands.compare import COMPARE
from pytest_mtls.commands.inspect import INSPECT
from pytest_mtls.commands.mint import MINT
from pytest_mtls.commands.probe import PROBE
from pytest_mtls.commands.serve import SERVE

__all__ = ["COMMANDS"]

COMMANDS: tuple[Command, ...] = (
    MINT,
    CASES,
    INSPECT,
    PROBE,
    SERVE,
    CHECK_SERVER,
    CHECK_CLIENT,
    COMPARE,
)
