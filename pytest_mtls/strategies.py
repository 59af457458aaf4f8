"""What hypothesis draws for property tests, under the name that users import it by; see `pytest_mtls.cases.strategies`."""

from __future__ import annotations

from pytest_mtls.cases.strategies import DrawnChain, chains

__all__ = ["DrawnChain", "chains"]
