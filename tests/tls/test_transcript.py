"""Reading the messages of a handshake, whatever the peer has written in them."""

from __future__ import annotations

import pickle
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_mtls.reasons.side import Side
from pytest_mtls.tls.transcript import Transcript, certificates_in, failure, first, was_sent

#: The random by which a ServerHello is a HelloRetryRequest (RFC 8446 section 4.1.3).
RETRY = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
HELLO = b"\x02\x00\x00\x22\x03\x03"
SIDES: st.SearchStrategy[Side] = st.sampled_from(["client", "server"])
BODIES = st.one_of(
    st.binary(max_size=8), st.sampled_from([HELLO + bytes(32), HELLO + RETRY, b"\x02\x28", b"\x01\x00", b"\x04..."])
)
RECORDS = st.lists(
    st.tuples(st.sampled_from(["read", "write"]), st.sampled_from([0x303, 0x304]), st.sampled_from([21, 22]), BODIES)
)


@given(side=SIDES, records=RECORDS)
def test_what_is_looked_for_is_what_is_there(side: Side, records: list[tuple[str, int, int, bytes]]) -> None:
    """A message that is parsed by itself is the one that is found among all."""
    everything = tuple(Transcript(side, records))
    names = {"Alert", "ClientHello", "ServerHello", "HelloRetryRequest", "NewSessionTicket", "message 99"}
    for name in names | {message.name for message in everything}:
        senders: tuple[Side, Side] = ("client", "server")
        for sender in senders:
            transcript = Transcript(side, records)
            assert first(everything, sender, name) == first(transcript, sender, name)
            assert was_sent(everything, sender, name) == was_sent(transcript, sender, name)
    transcript = Transcript(side, records)
    assert failure(everything) == failure(transcript)
    assert everything == tuple(reversed(tuple(reversed(transcript))))
    assert transcript == everything == pickle.loads(pickle.dumps(transcript))
    assert hash(transcript) == hash(everything)
    assert (len(everything), everything[1:], repr(everything)) == (len(transcript), transcript[1:], repr(transcript))
    assert everything * 2 == transcript + everything


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
