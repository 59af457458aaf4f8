"""Programs of tests in other languages: where they are, and Go's compiled once in a process."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

from support.requirements import require_program

__all__ = ["PROGRAMS", "build_go"]

PROGRAMS = Path(__file__).parent / "programs"


@cache
def _directory() -> Path:
    directory = tempfile.mkdtemp(prefix="pytest-mtls-go-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(directory)


@cache
def build_go(name: str) -> Path:
    """The compiled ``programs/NAME.go``.

    Raises:
        pytest.skip.Exception: there is no Go compiler.
        AssertionError: it does not compile.
    """
    compiler = require_program("go", apt="golang-go")
    binary = _directory() / name
    environment = {**os.environ, "GOTOOLCHAIN": "local", "GO111MODULE": "auto"}
    if not {"GOCACHE", "XDG_CACHE_HOME", "HOME"} & set(environment):
        environment["GOCACHE"] = str(_directory() / "cache")
    built = subprocess.run(
        [str(compiler), "build", "-o", str(binary), str(PROGRAMS / f"{name}.go")],
        capture_output=True,
        text=True,
        cwd=_directory(),
        env=environment,
    )
    assert built.returncode == 0, built.stderr
    return binary
