"""No private key and no password in the report of a failed test.

With ``--showlocals`` pytest prints the variables of every frame of a traceback, and without it the arguments; those of our
own functions may be keys and passwords. What the test's own frames hold is the test's own affair.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

import pytest_mtls

__all__ = ["hide_variables"]

_OURS = str(Path(pytest_mtls.__file__).parent) + os.sep
#: Where the code of a dataclass's ``__init__`` says that it is from.
_GENERATED = "<string>"


def hide_variables(report: pytest.TestReport) -> None:
    """Take the variables of our own frames out of a report, in the causes of its exception too."""
    longrepr: Any = report.longrepr
    tracebacks = [part[0] for part in getattr(longrepr, "chain", ())]
    tracebacks.append(getattr(longrepr, "reprtraceback", None))
    for traceback in tracebacks:
        entries = list(getattr(traceback, "reprentries", ()))
        for entry, following in zip(entries, [*entries[1:], None], strict=True):
            if _is_ours(entry) or (_path(entry) == _GENERATED and _is_ours(following)):
                entry.reprlocals = entry.reprfuncargs = None


def _is_ours(entry: Any) -> bool:
    path = _path(entry)
    return path is not None and os.path.abspath(path).startswith(_OURS)


def _path(entry: Any) -> str | None:
    """Where the frame's code is; pytest gives it as seen from where it was started, if that is shorter."""
    path = getattr(getattr(entry, "reprfileloc", None), "path", None)
    return None if path is None else str(path)
