"""Programs that tests run are found, or asked for by the name of their package."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.requirements import require_program

TESTS = Path(__file__).parent


def required_packages() -> Iterator[str]:
    """The `apt` argument of each call of `require_program` in the suite, and of functions that hand it on."""
    for path in sorted(TESTS.rglob("*.py")):
        if path == Path(__file__):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "apt" and isinstance(node.value, ast.Constant):
                yield str(node.value.value)


def test_a_program_on_the_path_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is returned is the program's path."""
    python = Path(sys.executable)
    monkeypatch.setenv("PATH", str(python.parent))
    assert python.parent / python.name == require_program(python.name, apt="python3")


def test_an_absent_program_skips_with_the_install_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason names the program and the command that installs it."""
    monkeypatch.setenv("PATH", "")
    with pytest.raises(pytest.skip.Exception, match=r"\Aneeds curl: apt-get install curl\Z"):
        require_program("curl", apt="curl")


def test_every_required_package_is_installed_by_the_test_command() -> None:
    """tests/apt.txt lists whatever a test asks for."""
    listed = set((TESTS / "apt.txt").read_text(encoding="utf-8").split())
    assert set() == set(required_packages()) - listed
