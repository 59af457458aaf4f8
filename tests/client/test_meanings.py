"""What the answers of applications mean: an example for each row of the table, without a socket."""

from __future__ import annotations

import re

import pytest

from pytest_mtls import Reason
from pytest_mtls.client.protocols.meanings import MEANINGS, Meaning, Means, answer_of
from pytest_mtls.client.protocols.protocol import UnexpectedAnswer

_A, _D, _C, _U = Means.ACCEPTED, Means.DENIED, Means.CERTIFICATE, Means.UNDECIDED

#: Layer, answer, what it means, and the reason if the certificate is named: at least one for each row.
EXAMPLES: list[tuple[str, str, Means, Reason | None]] = [
    ("http", "HTTP 400 No required SSL certificate was sent", _C, Reason.NO_CERTIFICATE),
    ("http", "HTTP 496", _C, Reason.NO_CERTIFICATE),
    ("http", "HTTP 400 The SSL certificate error", _C, Reason.UNSPECIFIED),
    ("http", "HTTP 495", _C, Reason.UNSPECIFIED),
    ("http", "HTTP 400", _D, None),
    ("http", "HTTP 401", _D, None),
    ("http", "HTTP 403", _D, None),
    ("http", "HTTP 301", _U, None),
    ("http", "HTTP 421", _U, None),
    ("http", "HTTP 429", _U, None),
    ("http", "HTTP 502", _U, None),
    ("http", "HTTP 204", _A, None),
    ("http", "HTTP 404", _A, None),
    ("smtp", "421 4.3.2 too many connections", _U, None),
    ("smtp", "421 4.3.5 the server's certificate is being renewed", _U, None),
    ("smtp", "554 5.3.2 not accepting messages", _U, None),
    ("smtp", "421 4.7.1 localhost Error: No client certificate presented", _C, Reason.NO_CERTIFICATE),
    ("smtp", "421 4.7.1 localhost Error: Client certificate not trusted", _C, Reason.UNSPECIFIED),
    ("smtp", "421 4.7.1 go away", _D, None),
    ("smtp", "550 5.7.1 relaying denied", _D, None),
    ("smtp", "421 closing", _U, None),
    ("smtp", "250 CHUNKING", _A, None),
    ("smtp", "530 who are you", _D, None),
    ("ftp", "522 SSL connection failed: client certificate required", _C, Reason.UNSPECIFIED),
    ("ftp", "421 closing", _U, None),
    ("ftp", "200 PBSZ=0", _A, None),
    ("ftp", "530 log in first", _D, None),
    ("mqtt", "CONNACK 0", _A, None),
    ("mqtt", "CONNACK 5, not authorized", _D, None),
    ("mqtt", "CONNACK 3", _U, None),
    ("redis", "-LOADING Redis is loading the dataset in memory", _U, None),
    ("redis", "+PONG", _A, None),
    ("redis", "-NOAUTH Authentication required.", _D, None),
]


def meant(layer: str, text: str) -> tuple[str, Means, Reason | None]:
    """What the table makes of an answer; the first is the message of one that is not a verdict."""
    try:
        answer = answer_of(layer, text)
    except UnexpectedAnswer as error:
        return str(error), _U, None
    if answer.accepted:
        return "", _A, None
    return ("", _D, None) if answer.reason is Reason.ACCESS_DENIED else ("", _C, answer.reason)


def row_of(layer: str, text: str) -> Meaning:
    """The row that decides."""
    return next(
        row for row in MEANINGS if row.layer == layer and re.fullmatch(row.pattern, text, re.IGNORECASE | re.DOTALL)
    )


@pytest.mark.parametrize(("layer", "text", "means", "reason"), EXAMPLES)
def test_each_answer_means_what_its_row_says(layer: str, text: str, means: Means, reason: Reason | None) -> None:
    """The verdict and the reason are those of the example."""
    assert (means, reason) == meant(layer, text)[1:]


def test_every_row_has_an_example() -> None:
    """No row is without a test."""
    assert set(MEANINGS) == {row_of(layer, text) for layer, text, _, _ in EXAMPLES}


@pytest.mark.parametrize("row", MEANINGS, ids=lambda row: f"{row.layer} {row.pattern}")
def test_no_row_can_be_switched_off(row: Meaning, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without any one row, some example means something else."""
    before = [meant(layer, text) for layer, text, _, _ in EXAMPLES]
    rows = tuple(other for other in MEANINGS if other is not row)
    monkeypatch.setattr("pytest_mtls.client.protocols.meanings.MEANINGS", rows)
    assert before != [meant(layer, text) for layer, text, _, _ in EXAMPLES]


@pytest.mark.parametrize("answer", ["SSH-2.0-OpenSSH", "HTTP 999"])
def test_what_no_row_knows_is_no_verdict(answer: str) -> None:
    """An answer of no known kind is undecided."""
    assert _U is meant("http", answer)[1]
