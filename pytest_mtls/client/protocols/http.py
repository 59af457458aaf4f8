"""HTTP/1.1 (RFC 9112), where a refusal may be a status code; and the first frames of HTTP/2 (RFC 9113)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from pytest_mtls.client.protocols.protocol import Answer, UnexpectedAnswer, shortened
from pytest_mtls.reasons.reason import Reason

if TYPE_CHECKING:
    from pytest_mtls.client.endpoint import Endpoint
    from pytest_mtls.client.protocols.channel import Channel

__all__ = ["exchange_settings", "get", "judge", "read_status"]

#: Status codes that refuse a client; 495 and 496 are nginx's own, and what it logs behind its 400.
_REFUSALS = frozenset({400, 401, 403, 495, 496})
#: What nginx's page says, to why.
_REASON_BY_WORDS: Mapping[bytes, Reason] = {
    b"No required SSL certificate was sent": Reason.NO_CERTIFICATE,
    b"The SSL certificate error": Reason.UNSPECIFIED,
}
_LONGEST_PAGE = 4096


def get(channel: Channel, endpoint: Endpoint) -> Answer:
    """Ask for the endpoint's path. Every status accepts but those that refuse."""
    request = f"GET {endpoint.path} HTTP/1.1\r\nHost: {endpoint.authority}\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    channel.send(request.encode("ascii", "backslashreplace"))
    status = read_status(channel)
    return judge(status, _page(channel) if status in _REFUSALS else b"")


def read_status(channel: Channel) -> int:
    """The status of an answer; those that only come before it (RFC 9110 section 15.2) are passed over.

    Raises:
        UnexpectedAnswer: it is no HTTP.
    """
    while True:
        line = channel.line()
        found = re.fullmatch(rb"HTTP/1\.[01] ([1-5]\d\d)(?: .*)?", line)
        if found is None:
            raise UnexpectedAnswer(f"the server's answer is no HTTP: {shortened(line)!r}")
        if not found[1].startswith(b"1"):
            return int(found[1])
        while channel.line():
            pass


def judge(status: int, page: bytes) -> Answer:
    """What a status accepts or refuses, and why as far as the page says so."""
    if status not in _REFUSALS:
        return Answer(True, f"HTTP {status}")
    words = next((words for words in _REASON_BY_WORDS if words in page), None)
    if words is not None:
        return Answer(False, f"HTTP {status}, {words.decode()!r}", _REASON_BY_WORDS[words])
    return Answer(False, f"HTTP {status}", Reason.NO_CERTIFICATE if status == 496 else Reason.UNSPECIFIED)


def _page(channel: Channel) -> bytes:
    """What comes with a refusal, as far as it does: the status alone is a verdict."""
    try:
        headers = channel.until(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length: *(\d+)", headers)
        return channel.exactly(min(int(length[1]), _LONGEST_PAGE)) if length else b""
    except (OSError, UnexpectedAnswer):
        return b""


_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _GOAWAY = 4, 7


def exchange_settings(channel: Channel, endpoint: Endpoint) -> Answer:
    """Begin HTTP/2, as gRPC does. Settings accept, and a GOAWAY refuses."""
    channel.send(_PREFACE + bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0]))
    frame = channel.exactly(9)
    if frame[3] == _GOAWAY:
        return Answer(False, "HTTP/2 GOAWAY")
    if frame[3] != _SETTINGS:
        raise UnexpectedAnswer(f"the server's answer is no HTTP/2: {shortened(frame)!r}")
    return Answer(True, "HTTP/2 SETTINGS")
