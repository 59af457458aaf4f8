"""Which of the two runs is asked for: that of a server, or with ``--mtls-client`` that of a client."""

from __future__ import annotations

from pathlib import Path

import pytest

_OF_A_SERVER = ("test_bypasses.py", "test_clients.py", "test_offers.py")
_OF_A_CLIENT = ("test_servers.py",)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out the tests of the other run."""
    is_of_a_client = config.getoption("mtls_client") is not None
    return True if collection_path.name in (_OF_A_SERVER if is_of_a_client else _OF_A_CLIENT) else None
