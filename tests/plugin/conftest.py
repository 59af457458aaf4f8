"""What the tests of the plugin share."""

from __future__ import annotations

import pytest
from support.users_suite import Run, write


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run pytest, in this process, over a test file and what else is given by name; as at a terminal, even in CI.

    Where CI is set, pytest prints each message whole in its short summary, once more than at a terminal.
    """
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)

    def run(test: str, *options: str, **files: str) -> pytest.RunResult:
        write(pytester, test, **files)
        return pytester.runpytest(*options)

    return run
