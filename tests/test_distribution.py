"""What is installed: the package with its types, its plugin, and nothing that it does not need."""

from __future__ import annotations

from importlib.metadata import Distribution, distribution
from pathlib import Path, PurePosixPath

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
RUNTIME_DEPENDENCIES = {"cryptography", "pytest", "requests", "trustme"}


@pytest.fixture(scope="module")
def installed() -> Distribution:
    """The distribution under test."""
    return distribution("pytest-mtls")


@pytest.fixture(scope="module")
def package_files(installed: Distribution) -> set[PurePosixPath]:
    """The files of the installed package, without compiled ones and the wheel's own metadata."""
    files = [PurePosixPath(file) for file in installed.files or () if "__pycache__" not in file.parts]
    if any(file.suffix == ".pth" for file in files):
        pytest.skip("needs the built wheel, and the checkout is installed: run tests/run")
    return {file for file in files if not file.parts[0].endswith(".dist-info")}


def runtime_requirements(installed: Distribution) -> list[Requirement]:
    """What is installed along with the package, extras aside."""
    requirements = [Requirement(line) for line in installed.requires or ()]
    return [requirement for requirement in requirements if "extra" not in str(requirement.marker)]


def test_dependencies_are_these_four(installed: Distribution) -> None:
    """Nothing else comes with the package."""
    assert RUNTIME_DEPENDENCIES == {requirement.name for requirement in runtime_requirements(installed)}


def test_lowest_versions_are_those_that_are_tested(installed: Distribution) -> None:
    """tests/lowest.txt pins exactly the lower bounds that the package declares."""
    declared = {str(requirement).replace(">=", "==") for requirement in runtime_requirements(installed)}
    assert declared == set((ROOT / "tests" / "lowest.txt").read_text(encoding="utf-8").split())


def test_plugin_is_found_by_pytest(installed: Distribution) -> None:
    """The plugin has the name that -p no:mtls turns off; the only other entry point is the program."""
    assert {
        ("pytest11", "mtls", "pytest_mtls.plugin"),
        ("console_scripts", "pytest-mtls", "pytest_mtls.__main__:main"),
    } == {(entry.group, entry.name, entry.value) for entry in installed.entry_points}


def test_types_are_shipped(package_files: set[PurePosixPath]) -> None:
    """Type checkers read the package's own annotations."""
    assert PurePosixPath("pytest_mtls/py.typed") in package_files


def test_wheel_is_the_package_and_only_that(package_files: set[PurePosixPath]) -> None:
    """Every file of the package is in the wheel, and no test, document or example."""
    source = {
        PurePosixPath(path.relative_to(ROOT).as_posix())
        for path in (ROOT / "pytest_mtls").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    programs = {path for path in package_files if path.name in ("pytest-mtls", "pytest-mtls.exe")}
    assert 1 == len(programs)
    assert source == package_files - programs
