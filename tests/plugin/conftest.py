"""What the tests of the plugin share."""

from __future__ import annotations

import pytest
from support.users_suite import Run, write


@pytest.fixture
def run(pytester: pytest.Pytester) -> Run:
    """Run pytest, in this process, over a test file and what else is given by name."""

    def run(test: str, *options: str, **files: str) -> pytest.RunResult:
        write(pytester, test, **files)
        return pytester.runpytest(*options)

    return run
