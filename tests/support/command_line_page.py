"""The page of the command line, made from the parser of `pytest-mtls` and from what the plugin adds to pytest's."""

from __future__ import annotations

import argparse
import html
import re
from collections.abc import Iterator

import pytest

from pytest_mtls import plugin
from pytest_mtls.commands.main import make_parser

__all__ = ["PAGE", "as_markdown", "plugin_options"]

PAGE = ("reference", "command-line.md")


def as_markdown() -> str:
    """All commands with their arguments, then pytest's options."""
    return "\n\n".join([*_commands(), "## Options of pytest", _table(plugin_options())])


def plugin_options() -> list[tuple[str, str]]:
    """What the plugin adds to pytest's own options, each with its help."""
    rows: list[tuple[str, str]] = []

    class Group:
        def addoption(self, *names: str, **how: object) -> None:
            rows.append((" ".join([*names, *([str(how["metavar"])] if how.get("metavar") else [])]), str(how["help"])))

    class Parser:
        def getgroup(self, *_: str) -> Group:
            return Group()

        def addini(self, *_: object, **__: object) -> None:
            pytest.fail("the page of the command line has no part for options of configuration files yet")

    plugin.pytest_addoption(Parser())  # type: ignore[arg-type]
    return rows


def _commands() -> Iterator[str]:
    parser = make_parser()
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                yield f"## `{name}`"
                yield _escaped(" ".join((command.description or "").split()))
                yield _table([row for argument in command._actions for row in _row(argument)])


def _row(argument: argparse.Action) -> Iterator[tuple[str, str]]:
    if argument.dest == "help":
        return
    value = argument.metavar or argument.dest.upper()
    if argument.choices:
        value = "|".join(map(str, argument.choices))
    if not argument.option_strings:
        many = {"*": f"[{argument.dest} ...]", "+": f"{argument.dest} [...]", "?": f"[{argument.dest}]"}
        yield many.get(str(argument.nargs), argument.dest), argument.help or ""
    else:
        yield " ".join([*argument.option_strings, *([] if argument.nargs == 0 else [str(value)])]), argument.help or ""


def _table(rows: list[tuple[str, str]]) -> str:
    cells = [(f"`{name}`".replace("|", "\\|"), _escaped(help).replace("|", "\\|")) for name, help in rows]
    return "\n".join(["| argument | meaning |", "|---|---|", *(f"| {name} | {help} |" for name, help in cells)])


def _escaped(text: str) -> str:
    """Plain text as Markdown: a whole command or option is set as code, and nothing else is markup."""
    text = html.escape(text, quote=False).replace("*", "\\*").replace("{", "\\{")
    return re.sub(r"(?<![\w`-])(--[a-z][a-z-]*)", r"`\1`", text) if "`" not in text else text
