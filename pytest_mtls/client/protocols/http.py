"""HTTP/1.1 (RFC 9112), where a rejection may be a status code; and the first frames of HTTP/2 (RFC 9113)."""

from __future__ import annotations

import re
from base64 import b64encode

from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.client.protocols.meanings import answer_of
from pytest_mtls.client.protocols.protocol import Answer, UnexpectedAnswer, shortened
from pytest_mtls.client.protocols.target import Target

__all__ = ["exchange_settings", "get", "judge", "read_status"]

#: Status codes whose page may say more.
_WITH_A_PAGE = frozenset({400})
_LONGEST_PAGE = 4096


def get(channel: Channel, endpoint: Target) -> Answer:
    """Ask for the endpoint's path, with user and password if it has them; `meanings.MEANINGS` says what a status means."""
    lines = [f"GET {endpoint.path} HTTP/1.1", f"Host: {endpoint.netloc}", "Accept: */*", "Connection: close"]
    if endpoint.user is not None:  # RFC 7617
        credentials = b64encode(f"{endpoint.user}:{endpoint.password or ''}".encode()).decode()
        lines.append(f"Authorization: Basic {credentials}")
    channel.send("\r\n".join([*lines, "", ""]).encode("ascii", "backslashreplace"))
    status = read_status(channel)
    return judge(status, _page(channel) if status in _WITH_A_PAGE else b"")


def read_status(channel: Channel) -> int:
    """The status of an answer; those that only come before it (RFC 9110 section 15.2) are passed over.

    Raises:
        UnexpectedAnswer: it is not HTTP.
    """
    while True:
        line = channel.line()
        found = re.fullmatch(rb"HTTP/1\.[01] ([1-5]\d\d)(?: .*)?", line)
        if found is None:
            raise UnexpectedAnswer(f"the server's answer is not HTTP: {shortened(line)!r}")
        if not found[1].startswith(b"1"):
            return int(found[1])
        while channel.line():
            pass


def judge(status: int, page: bytes) -> Answer:
    """What a status means for the client, and why as far as the page says so.

    Raises:
        UnexpectedAnswer: it is not a verdict on the client: a redirect, or about the state of the server.
    """
    text = page.decode("latin-1") if status in _WITH_A_PAGE else ""
    said = re.search(r"No required SSL certificate was sent|The SSL certificate error", text)
    return answer_of("http", f"HTTP {status}" + (f", {said[0]!r}" if said else ""))


def _page(channel: Channel) -> bytes:
    """What comes with a rejection, as far as it does: the status by itself is a verdict."""
    try:
        headers = channel.until(b"\r\n\r\n")
        length = re.search(rb"(?im)^content-length: *0*(\d+)", headers)
        if length is None:
            return b""
        return channel.exactly(_LONGEST_PAGE if len(length[1]) > 4 else min(int(length[1]), _LONGEST_PAGE))
    except (OSError, UnexpectedAnswer):
        return b""


_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _GOAWAY = 4, 7


def exchange_settings(channel: Channel, endpoint: Target) -> Answer:
    """Begin HTTP/2, as gRPC does. Settings accept, and a GOAWAY rejects."""
    channel.send(_PREFACE + bytes([0, 0, 0, _SETTINGS, 0, 0, 0, 0, 0]))
    frame = channel.exactly(9)
    if frame[3] == _GOAWAY:
        return Answer(False, "HTTP/2 GOAWAY")
    if frame[3] != _SETTINGS:
        raise UnexpectedAnswer(f"the server's answer is not HTTP/2: {shortened(frame)!r}")
    return Answer(True, "HTTP/2 SETTINGS")
