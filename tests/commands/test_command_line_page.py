"""The reference page of the command line."""

from __future__ import annotations

from support.command_line_page import PAGE, as_markdown, plugin_options
from support.generated_pages import DOCS, generated_part

from pytest_mtls.commands.check_client import OPTIONS as OF_CLIENTS
from pytest_mtls.commands.check_server import OPTIONS as OF_SERVERS


def test_page_is_current() -> None:
    """The page has every command and option with its help, as the programs print it."""
    run = "run: python docs/generate/catalogue.py command-line"
    assert as_markdown() == generated_part(DOCS.joinpath(*PAGE)), run


def test_commands_take_options_of_pytest() -> None:
    """Whatever a command gives on to pytest is an option there."""
    there = {name.partition(" ")[0] for name, _ in plugin_options()}
    assert {f"--mtls-{name}" for name in {*OF_CLIENTS, *OF_SERVERS}} <= there
