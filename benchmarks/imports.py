"""What an unrelated test run pays for the plugin being installed: time, and modules imported on its account."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from compare import compare

UNRELATED = """
import sys

def test_unrelated():
    print("MODULES", *sorted(set(sys.modules) & {"cryptography", "ssl", "requests", "trustme", "pytest_mtls"}))
"""


def run(suite: Path, *options: str) -> str:
    """Run the unrelated test; which of the modules in question it found imported."""
    command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", *options, str(suite)]
    done = subprocess.run(command, cwd=suite.parent, capture_output=True, text=True, check=True)
    return next(line for line in done.stdout.splitlines() if "MODULES" in line).partition("MODULES")[2].strip()


def main() -> None:
    """Print the modules and the ratio."""
    others = [
        option for name in ("randomly", "xdist", "anyio", "asyncio", "httpserver") for option in ("-p", f"no:{name}")
    ]
    others += ["-p", "no:hypothesispytest"]
    with tempfile.TemporaryDirectory() as directory:
        suite = Path(directory, "test_unrelated.py")
        suite.write_text(UNRELATED)
        print(
            "imported with the plugin:", run(suite, *others), "| without:", run(suite, *others, "-p", "no:mtls") or "-"
        )
        compare(
            "an unrelated test run, with the plugin : without",
            lambda: run(suite, *others),
            lambda: run(suite, *others, "-p", "no:mtls"),
            rounds=10,
            bound=1.05,
        )


if __name__ == "__main__":
    main()
