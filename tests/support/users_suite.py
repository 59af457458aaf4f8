"""Suites of users, run by pytest inside this process: how they are written and run."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from textwrap import dedent

import pytest

import pytest_mtls

__all__ = ["INI", "Run", "said", "write"]

# A run of pytest inside this process forgets what it imported. Extension modules do not bear being imported twice, so
# that all which is used inside has to be there before.
for _name in ("anyio._backends._asyncio", "anyio._backends._trio", "freezegun", "httpx", "requests", "time_machine"):
    import_module(_name)
for _name in pytest_mtls.__all__:
    getattr(pytest_mtls, _name)

#: A suite as strict as one can be. The ignored warning is pytest-asyncio's, about an option of its own.
INI = """
[pytest]
addopts = --strict-markers --strict-config -p no:cacheprovider
filterwarnings =
    error
    ignore:The configuration option "asyncio_default_fixture_loop_scope" is unset:pytest.PytestDeprecationWarning
"""

Run = Callable[..., pytest.RunResult]


def write(pytester: pytest.Pytester, test: str, **files: str) -> None:
    """Write a test file, the strict ini file, and other modules by name."""
    pytester.makeini(INI)
    for name, text in {"test_it": test, **files}.items():
        (pytester.path / f"{name}.py").write_text(dedent(text), encoding="utf-8")


def said(result: pytest.RunResult) -> str:
    """All that a run printed."""
    return result.stdout.str() + result.stderr.str()
