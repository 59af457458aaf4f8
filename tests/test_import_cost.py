"""A run that asks the plugin for nothing pays for nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = frozenset(
    {"OpenSSL", "asyncio", "cryptography", "requests", "socket", "ssl", "threading", "trustme", "urllib3"}
)

#: What of ours every run loads: where the options and the fixtures are declared.
ALWAYS = frozenset({"pytest_mtls", "pytest_mtls.plugin", "pytest_mtls.plugin.life"})

#: Writes down what the whole run has loaded, at its very end.
CONFTEST = """
import json, pathlib, sys

def pytest_unconfigure(config):
    name = "worker" if hasattr(config, "workerinput") else "modules"
    pathlib.Path(f"{name}.json").write_text(json.dumps(sorted(sys.modules)))
"""
UNRELATED = "def test_unrelated():\n    assert True\n"
USING = "def test_using(mtls_ca):\n    assert mtls_ca\n"


def modules_after(directory: Path, test: str, *options: str) -> frozenset[str]:
    """The modules that a pytest run in a new process has loaded by its end; other plugins are off."""
    directory.mkdir()
    (directory / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (directory / "test_it.py").write_text(test, encoding="utf-8")
    (directory / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "COV"))}
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options],
        cwd=directory,
        env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    assert pytest.ExitCode.OK == finished.returncode, finished.stdout + finished.stderr
    return frozenset(json.loads((directory / "modules.json").read_text(encoding="utf-8")))


def top_level(modules: frozenset[str]) -> frozenset[str]:
    """The packages that modules belong to."""
    return frozenset(module.partition(".")[0] for module in modules)


def test_an_unrelated_run_is_free(tmp_path: Path) -> None:
    """With the plugin on and unused, nothing is loaded but the plugin and modules of the standard library."""
    with_plugin = modules_after(tmp_path / "with", UNRELATED, "-p", "mtls")
    without_plugin = modules_after(tmp_path / "without", UNRELATED, "-p", "no:mtls")
    ours = with_plugin - without_plugin
    assert ALWAYS == {name for name in ours if name.startswith("pytest_mtls")}
    assert frozenset() == top_level(ours) & HEAVY
    assert frozenset() == top_level(ours) - sys.stdlib_module_names - {"pytest_mtls"}


def test_an_unrelated_run_on_workers_is_free(tmp_path: Path) -> None:
    """Under pytest-xdist the controller hands the workers what a CA is made from, and makes none; nor do they."""
    pytest.importorskip("xdist")
    xdist = ("-p", "xdist", "-n", "1")
    with_plugin = modules_after(tmp_path / "with", UNRELATED, "-p", "mtls", *xdist)
    without_plugin = modules_after(tmp_path / "without", UNRELATED, "-p", "no:mtls", *xdist)
    assert ALWAYS == with_plugin - without_plugin
    workers = [json.loads((tmp_path / run / "worker.json").read_text(encoding="utf-8")) for run in ("with", "without")]
    assert ALWAYS == set(workers[0]) - set(workers[1])


def test_a_fixture_is_what_costs(tmp_path: Path) -> None:
    """The measure is not blind: a test that uses a fixture does load cryptography."""
    assert "cryptography" in modules_after(tmp_path / "using", USING, "-p", "mtls")
