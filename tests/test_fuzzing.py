"""What reads a peer's bytes raises its documented errors only; ``tests/support/fuzzing.py`` tries it for longer."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from support.fuzzing import TARGETS, Target, fuzz, targets

_INPUTS = {"http": 300}


@pytest.fixture(scope="module")
def known() -> Mapping[str, Target]:
    """Every target with its seeds."""
    return targets()


@pytest.mark.parametrize("name", TARGETS)
def test_only_documented_errors_come_out(known: Mapping[str, Target], name: str) -> None:
    """Mutations of well-formed inputs, the same in each run but for the keys in them, raise nothing else."""
    enough = _INPUTS.get(name, 1000)
    count, found = fuzz(known[name], number=1, until=lambda count: count >= enough)
    assert enough == count
    assert [] == [(data.hex(), repr(error)) for data, error in found]


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_read(known: Mapping[str, Target], name: str) -> None:
    """The seeds themselves are well-formed: the fuzzer begins inside, not at the first check."""
    for seed in known[name].seeds:
        known[name].read(seed)
