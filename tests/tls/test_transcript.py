"""Reading the messages of a handshake, whatever the peer has written in them."""

from __future__ import annotations

import tracemalloc

import pytest

from pytest_mtls.tls.transcript import certificates_in


@pytest.mark.parametrize("tls13", [False, True])
def test_list_that_claims_to_be_long_is_not_walked(tls13: bool) -> None:
    """A certificate list that names 16 MB and holds nothing costs no more than its bytes."""
    body = bytes(1 if tls13 else 0) + b"\xff\xff\xff" + b"\x00\x00\x00"
    tracemalloc.start()
    try:
        assert () == certificates_in(body, tls13=tls13)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100_000
