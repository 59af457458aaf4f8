"""The how-to of CI: its files are what the platforms read, and use options that there are."""

from __future__ import annotations

import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from pytest_mtls.commands.main import make_parser
from pytest_mtls.conformance.policy import read_policy
from pytest_mtls.conformance.reports import FORMS

PAGE = (Path(__file__).parent.parent / "docs/how-to/ci.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """The files of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_files_are_yaml() -> None:
    """The workflow of GitHub has steps that run or use something, and GitLab's job has a script."""
    github, gitlab = map(import_module("yaml").safe_load, blocks("yaml"))
    steps: list[dict[str, Any]] = github["jobs"]["mtls"]["steps"]
    assert all({"run", "uses"} & set(step) for step in steps)
    assert ["always()"] * 3 == [step["if"] for step in steps if "if" in step]
    assert all(isinstance(line, str) for line in gitlab["mtls"]["script"])


def test_options_are_those_of_the_plugin(pytestconfig: pytest.Config) -> None:
    """Every option of ours is one that there is, and every report has an ending that there is."""
    for name in set(re.findall(r"--mtls-[a-z-]+", PAGE)):
        assert hasattr(pytestconfig.option, name.removeprefix("--").replace("-", "_")), name
    endings = {Path(name).suffix for name in re.findall(r"--mtls-report (\S+)", PAGE)}
    assert endings == set(FORMS)


def test_commands_are_those_of_the_program() -> None:
    """Each ``pytest-mtls COMMAND`` can be parsed."""
    commands = set(re.findall(r"pytest-mtls ((?:mint|compare) [^`\n]+?)(?:`|$)", PAGE, re.MULTILINE))
    assert commands
    for command in commands:
        make_parser().parse_args(command.split())


def test_policy_is_one(tmp_path: Path) -> None:
    """The table is read as it stands."""
    toml = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    (text,) = blocks("toml")
    assert "tool" in toml.loads(text)
    path = tmp_path / "pyproject.toml"
    path.write_text(text, encoding="utf-8")
    policy = read_policy(None, path)
    assert (frozenset({"1.2", "1.3"}), 0.1) == (policy.versions, policy.expiry_days)
