"""`benchmarks/soak.py`: mixed handshakes with faults injected; no wrong verdict, and nothing grows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs limits of open files as POSIX has them")

SOAK = Path(__file__).resolve().parents[2] / "benchmarks" / "soak.py"


@pytest.mark.parametrize("handshakes", [200, pytest.param(4000, marks=pytest.mark.slow)])
def test_every_verdict_is_right_and_nothing_grows(handshakes: int) -> None:
    """The server gives each client its verdict whatever happens beside it, and is no larger afterwards."""
    command = [sys.executable, str(SOAK), "--handshakes", str(handshakes)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert (0, "") == (done.returncode, done.stderr), done.stdout
    assert int(done.stdout.splitlines()[-5].split()[0]) >= handshakes


def test_wrong_verdict_ends_it(tmp_path: Path) -> None:
    """A server that does not check revocation is found out, with the handshake that shows it."""
    lax = tmp_path / "lax.py"
    lax.write_text(SOAK.read_text(encoding="utf-8").replace("keep=100", "keep=100, revocation=False"), encoding="utf-8")
    command = [sys.executable, str(lax), "--handshakes", "300"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert 1 == done.returncode
    assert done.stdout.startswith("WRONG after "), done.stderr
    assert "revoke" in done.stdout
