"""What a test needs beyond Python packages: where it is absent, the test skips and says how to get it."""

from __future__ import annotations

import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pytest

__all__ = [
    "require_file",
    "require_library",
    "require_library_apart",
    "require_postgres",
    "require_program",
    "require_version",
]


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


def require_file(path: Path, *, apt: str) -> None:
    """Skip where a file of a Debian package is absent."""
    if not path.exists():
        pytest.skip(f"needs {path}: apt-get install {apt}")


def require_library(module: str, *, pip: str) -> None:
    """Skip where a Python library is absent.

    Args:
        module: what it is imported as.
        pip: what it is installed as; it must be in the test dependency group too.

    Raises:
        pytest.skip.Exception: it is not installed.
    """
    try:
        found = find_spec(module)
    except ModuleNotFoundError:  # not even the package that the module is in
        found = None
    if found is None:
        pytest.skip(f"needs {pip}: python -m pip install {pip}")


def require_library_apart(name: str) -> Path:
    """The directory of a library that gets in the way of others, and so is installed away from them; tox.ini does so.

    Args:
        name: as pip knows it.

    Raises:
        pytest.skip.Exception: it is not installed there.
    """
    directory = Path(sys.prefix) / "apart" / name
    if not (directory / name.replace("-", "_")).is_dir():
        pytest.skip(f"needs {name}, away from the others: python -m pip install --target {directory} {name}")
    return directory


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
