"""The package exports what it says, and each name is where a user looks for it."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import pytest_mtls

PACKAGE = Path(pytest_mtls.__file__)

#: What the contract fixes.
CONTRACT = {
    "Alert",
    "Case",
    "CertificateAuthority",
    "CertificateSigningRequest",
    "Endpoint",
    "Handshake",
    "HandshakeAssertionError",
    "Identity",
    "MutualTLSServer",
    "Reason",
    "assert_accepted",
    "assert_rejected",
    "case",
    "client_cases",
    "probe",
    "server_cases",
}


def test_contract_is_there() -> None:
    """Every name of the contract is exported."""
    assert set() == CONTRACT - set(pytest_mtls.__all__)


@pytest.mark.parametrize("name", pytest_mtls.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    """Each name in ``__all__`` can be had, has a docstring, and is in ``dir()``."""
    value = getattr(pytest_mtls, name)
    assert inspect.getdoc(value)
    assert name in dir(pytest_mtls)


def test_type_checkers_see_the_same_names() -> None:
    """What is imported for type checkers, what is exported and what is loaded lazily are the same names, sorted."""
    tree = ast.parse(PACKAGE.read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    imported = [alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert sorted(pytest_mtls.__all__) == pytest_mtls.__all__
    assert sorted(imported) == pytest_mtls.__all__
    assert sorted(pytest_mtls._HOMES) == pytest_mtls.__all__


def test_unknown_name_is_an_attribute_error() -> None:
    """A slip of the pen is told as any module tells it."""
    with pytest.raises(AttributeError, match="module 'pytest_mtls' has no attribute 'prob'"):
        _ = pytest_mtls.prob


@pytest.mark.parametrize(
    "module",
    sorted(path.relative_to(PACKAGE.parent).with_suffix("").as_posix() for path in PACKAGE.parent.rglob("*.py")),
)
def test_every_all_is_true(module: str) -> None:
    """Each module exports only what it has."""
    if module.endswith("__main__") or module.startswith("conformance/"):
        return  # the one runs, and the other is for pytest to collect
    name = ".".join(["pytest_mtls", *module.removesuffix("__init__").strip("/").split("/")]).rstrip(".")
    loaded = import_module(name)
    for exported in getattr(loaded, "__all__", ()):
        assert hasattr(loaded, exported)


def test_importing_the_package_imports_nothing_else() -> None:
    """``import pytest_mtls`` is free; ``import *`` gives all names."""
    code = (
        "import __future__, sys, importlib, typing; before = set(sys.modules); import pytest_mtls;"
        "print(sorted(set(sys.modules) - before));"
        "from pytest_mtls import *; probe, Reason"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "['pytest_mtls']" == done.stdout.strip()
