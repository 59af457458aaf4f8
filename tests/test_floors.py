"""The package is a house of floors: a module imports from its own floor or those below, and never in a circle.

What is read is the source, not what happens to be loaded: imports inside functions count, those for type checkers only
do not.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pytest_mtls"
PAGE = Path(__file__).parent.parent / "docs" / "explanation" / "floors.md"
LONGEST_FILE = 420  # lines

#: Floor -> its modules; a package stands for all that is in it.
FLOORS: Mapping[int, Sequence[str]] = {
    0: ("errors", "alert", "reason"),
    1: ("certificates",),
    2: ("cases",),
    3: ("tls",),
    4: (
        "explain",
        "summary",
        "assertions",
        "server",
        "launched",
        "catalogue",
        "mint",
        "strategies",
        "clients",
        "bypasses",
    ),
    5: ("", "plugin", "options", "__main__", "conformance"),
}


@dataclass(frozen=True)
class Ban:
    """What may not be imported, and where.

    Attributes:
        imported: top-level modules.
        floors: where they are banned.
        except_in: modules, or packages, of those floors that may import them all the same.
    """

    imported: frozenset[str]
    floors: frozenset[int]
    except_in: tuple[str, ...] = ()


EVERYWHERE = frozenset(FLOORS)
BANS = (
    Ban(frozenset({"ssl", "socket"}), frozenset({0, 1})),
    Ban(frozenset({"threading", "_thread", "concurrent"}), EVERYWHERE, ("tls.server",)),
    Ban(frozenset({"pytest"}), EVERYWHERE, ("plugin", "conformance")),
    Ban(frozenset({"_pytest"}), EVERYWHERE),
)


# --- reading ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """One file of the package.

    Attributes:
        module: dotted name below the package, e.g. ``tls.server``; the package itself is the empty name.
        lines: how many it has.
        own: modules of the package that it imports.
        foreign: top-level modules that it imports from elsewhere.
    """

    module: str
    lines: int
    own: frozenset[str]
    foreign: frozenset[str]


def read_package(package: Path) -> dict[str, Source]:
    """Every module of the package, by name."""
    paths = {module_name(package, path): path for path in sorted(package.rglob("*.py"))}
    return {module: read_source(package, module, path, frozenset(paths)) for module, path in paths.items()}


def module_name(package: Path, path: Path) -> str:
    """The dotted name of a file, relative to the package."""
    parts = path.relative_to(package).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def read_source(package: Path, module: str, path: Path, modules: frozenset[str]) -> Source:
    """Read what one file imports."""
    text = path.read_text(encoding="utf-8")
    parent = ".".join((package.name, *path.relative_to(package).parent.parts))
    imported = set(imported_names(ast.parse(text), parent))
    prefix = package.name + "."
    inside = {name for name in imported if (name + ".").startswith(prefix)}
    return Source(
        module=module,
        lines=text.count("\n"),
        own=frozenset(nearest_module(name[len(prefix) :], modules) for name in inside),
        foreign=frozenset(name.partition(".")[0] for name in imported - inside),
    )


def nearest_module(name: str, modules: frozenset[str]) -> str:
    """The module that a dotted name means: itself, or the one that it is an attribute of."""
    while name not in modules and name:
        name = name.rpartition(".")[0]
    return name


def imported_names(tree: ast.AST, parent: str) -> Iterator[str]:
    """The absolute dotted names that code imports: ``from a.b import c`` is ``a.b.c``, be it module or attribute."""
    for node in at_run_time(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = parent.split(".")[: len(parent.split(".")) + 1 - node.level] if node.level else []
            origin = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in IMPORT_CALLS:
            yield from (str(name.value) for name in node.args[:1] if isinstance(name, ast.Constant))


IMPORT_CALLS = frozenset({"import_module", "importlib.import_module", "__import__"})


def at_run_time(node: ast.AST) -> Iterator[ast.AST]:
    """The node and all below it, less what only type checkers read."""
    yield node
    skipped: Sequence[ast.AST] = ()
    if isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}:
        skipped = node.body
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield from at_run_time(child)


# --- judging ---------------------------------------------------------------------------------------------------------


def violations(package: Path) -> list[str]:
    """Every breach of the rules of the house, a line each."""
    sources = read_package(package)
    found = [line for source in sources.values() for line in breaches_of(source)]
    return [*found, *(f"circle: {' -> '.join(map(title, circle))}" for circle in circles(sources))]


def breaches_of(source: Source) -> Iterator[str]:
    """What is wrong with one file."""
    name = title(source.module)
    if source.lines > LONGEST_FILE:
        yield f"{name}: {source.lines} lines, at most {LONGEST_FILE}"
    floor = floor_of(source.module)
    if floor is None:
        yield f"{name} stands on no floor"
        return
    for other in sorted(source.own):
        above = floor_of(other)
        if above is not None and above > floor:
            yield f"{name} (floor {floor}) imports {title(other)} (floor {above})"
    for ban in BANS:
        if floor in ban.floors and not any(is_within(source.module, allowed) for allowed in ban.except_in):
            yield from (f"{name} (floor {floor}) imports {banned}" for banned in sorted(source.foreign & ban.imported))


def floor_of(module: str) -> int | None:
    """The floor that a module stands on, if any."""
    return next((floor for floor, names in FLOORS.items() if any(is_within(module, name) for name in names)), None)


def is_within(module: str, name: str) -> bool:
    """Whether a module is the named one, or in the package of that name."""
    return module == name or (name != "" and module.startswith(name + "."))


def circles(sources: Mapping[str, Source]) -> Iterator[list[str]]:
    """Modules that import each other in a circle: the first one found from each module that closes one."""
    done: set[str] = set()

    def walk(module: str, trail: list[str]) -> Iterator[list[str]]:
        if module in trail:
            yield [*trail[trail.index(module) :], module]
        elif module not in done:
            for other in sorted(sources[module].own - {module}):
                yield from walk(other, [*trail, module])
            done.add(module)

    for module in sources:
        yield from walk(module, [])


def title(module: str) -> str:
    """How a module is named in a message."""
    return module or "__init__"


# --- tests -----------------------------------------------------------------------------------------------------------


def build(package: Path, files: Mapping[str, str]) -> Path:
    """Write a package."""
    for name, text in {"__init__.py": "", **files}.items():
        path = package / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return package


def test_the_house_stands() -> None:
    """No file of the package breaks a rule."""
    assert [] == violations(PACKAGE)


def test_every_named_module_is_there() -> None:
    """The table of floors names no module that is gone; those still to be built are listed here."""
    to_be_built: set[str] = set()
    modules = read_package(PACKAGE)
    named = {name for names in FLOORS.values() for name in names}
    assert to_be_built == named - set(modules)


def test_the_page_has_the_same_floors() -> None:
    """docs/explanation/floors.md names the modules of each floor; the package itself is there in words."""
    rows = re.findall(r"^\| (\d) \| ([^|]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {int(floor): set(re.findall(r"`(\w+)`", modules)) for floor, modules in rows}
    assert {floor: set(modules) - {""} for floor, modules in FLOORS.items()} == told


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            {"errors.py": "from pytest_mtls.reason import Reason", "reason.py": "import enum"},
            [],
            id="same-floor",
        ),
        pytest.param(
            {"certificates/key.py": "from pytest_mtls import tls", "tls/__init__.py": ""},
            ["certificates.key (floor 1) imports tls (floor 3)"],
            id="upward",
        ),
        pytest.param(
            {"errors.py": "def f():\n    from pytest_mtls.tls.server import x", "tls/server.py": ""},
            ["errors (floor 0) imports tls.server (floor 3)"],
            id="upward-in-function",
        ),
        pytest.param(
            {"cases/case.py": "from ..tls import server", "tls/server.py": "", "tls/__init__.py": ""},
            ["cases.case (floor 2) imports tls.server (floor 3)"],
            id="upward-relative",
        ),
        pytest.param(
            {"alert.py": "import importlib\nimportlib.import_module('pytest_mtls.explain')", "explain.py": ""},
            ["alert (floor 0) imports explain (floor 4)"],
            id="upward-by-name",
        ),
        pytest.param(
            {"explain.py": "from pytest_mtls import anything"},
            ["explain (floor 4) imports __init__ (floor 5)"],
            id="upward-to-package",
        ),
        pytest.param(
            {
                "errors.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from pytest_mtls import plugin\n"
                "else:\n    import pytest",
                "plugin.py": "",
            },
            ["errors (floor 0) imports pytest"],
            id="for-type-checkers-only",
        ),
        pytest.param(
            {"tls/a.py": "import pytest_mtls.tls.b", "tls/b.py": "def f():\n    from pytest_mtls.tls.a import x"},
            ["circle: tls.a -> tls.b -> tls.a"],
            id="circle",
        ),
        pytest.param(
            {"certificates/key.py": "import ssl, socket, threading, pytest"},
            [
                "certificates.key (floor 1) imports socket",
                "certificates.key (floor 1) imports ssl",
                "certificates.key (floor 1) imports threading",
                "certificates.key (floor 1) imports pytest",
            ],
            id="banned-on-floor-1",
        ),
        pytest.param(
            {"tls/probe.py": "import ssl, socket\nfrom concurrent.futures import Executor\nimport pytest"},
            ["tls.probe (floor 3) imports concurrent", "tls.probe (floor 3) imports pytest"],
            id="banned-on-floor-3",
        ),
        pytest.param(
            {
                "tls/server.py": "import threading",
                "plugin.py": "import pytest",
                "conformance/test_it.py": "import pytest",
            },
            [],
            id="allowed-where-it-belongs",
        ),
        pytest.param(
            {"plugin.py": "from _pytest.config import Config"},
            ["plugin (floor 5) imports _pytest"],
            id="private-pytest",
        ),
        pytest.param({"attic.py": ""}, ["attic stands on no floor"], id="no-floor"),
        pytest.param({"alert.py": "\n" * 421}, ["alert: 421 lines, at most 420"], id="too-long"),
        pytest.param({"alert.py": "\n" * 420}, [], id="just-short-enough"),
    ],
)
def test_the_checker_sees(tmp_path: Path, files: dict[str, str], expected: list[str]) -> None:
    """A breach of each rule is found, and nothing else is taken for one."""
    assert expected == violations(build(tmp_path / "pytest_mtls", files))
