"""What a test needs beyond Python packages: where it is absent, the test skips and says how to get it."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

__all__ = ["require_postgres", "require_program", "require_version"]


def require_program(name: str, *, apt: str) -> Path:
    """The path of a program that the calling test runs.

    Args:
        name: the program, as one would type it.
        apt: the Debian package that has it; it must be on the list in tests/apt.txt too.

    Raises:
        pytest.skip.Exception: the program is not on the path.
    """
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"needs {name}: apt-get install {apt}")
    return Path(found)


def require_version(name: str, at_least: str) -> None:
    """See to it that the calling test has a Python distribution.

    Args:
        name: as pip knows it.
        at_least: its lowest major version.

    Raises:
        pytest.skip.Exception: it is not installed, or older.
    """
    try:
        found = version(name)
    except PackageNotFoundError:
        found = "0"
    if int(found.partition(".")[0]) < int(at_least.partition(".")[0]):
        pytest.skip(f"needs {name} {at_least}: pip install '{name}>={at_least}'")


def require_postgres() -> Path:
    """The directory of PostgreSQL's own programs, which Debian keeps off the path.

    Raises:
        pytest.skip.Exception: it is not installed.
    """
    on_path = [Path(found).parent for found in (shutil.which("initdb"),) if found]
    installed = [*on_path, *(path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb"))]
    if not installed:
        pytest.skip("needs initdb: apt-get install postgresql")
    return installed[-1]
