"""What reads a peer's bytes raises its documented errors only; ``tests/support/fuzzing.py`` tries it for longer."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

import pytest
from support.fuzzing import TARGETS, Target, fuzz, targets

_INPUTS = {"http": 300}
#: Inputs that once raised what is not documented.
_FOUND = {
    "est": (
        bytes.fromhex(  # a renewal whose extensions cannot be read
            "2f2e77656c6c2d6b6e6f776e2f6573742f6c6162656c2f73696d706c657265656e726f6c6c0a0a308201103081b80201"
            "003010310e300c06035504030c05616c6963653059301306072a8648ce3d020106082a8648ce3d03010703420004a16a"
            "547e5280917cf705c884089d4b370b2d9cfa086dbc404a979d85986165c6a8c637b8e3feedcc96c0b0e0ad57ad7eb084"
            "8db385ea458c57e92c804db14078a046304406092a864886f70d01090e3137303530130603551dbc045f300a06082b06"
            "010505070302301e0603551d1104173015820d616c6963652e6578616d706c6587040a000001300a06082a8648ce3d04"
            "03020347003044022005b6cb540dc5f5acaae7e68f57ff4807d2a03c77aa3b7f7a0ed8eaf20441e74f0a204031eae1c9"
            "fc959e2a5ca73cd0c8cb4c5bb0fe85ec4af6dbc06bc27b08b3c975"
        ),
    ),
}


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


@pytest.mark.parametrize("name", _FOUND)
def test_what_was_found_stays_mended(known: Mapping[str, Target], name: str) -> None:
    """Inputs that fell out of longer runs raise documented errors only."""
    for data in _FOUND[name]:
        with suppress(*known[name].documented):
            known[name].read(data)
