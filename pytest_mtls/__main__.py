# PYTHON_ARGCOMPLETE_OK
"""The command line: ``python -m pytest_mtls``, and ``pytest-mtls``."""

from __future__ import annotations

import sys

from pytest_mtls.commands.main import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
