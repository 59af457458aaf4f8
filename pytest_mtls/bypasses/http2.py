"""One request over HTTP/2 (RFC 9113) and the status of its answer: frames and header fields by hand (RFC 7541)."""

from __future__ import annotations

from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.client.protocols.http import judge
from pytest_mtls.client.protocols.protocol import Answer, UnexpectedAnswer

__all__ = ["get_over_http2"]

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_HEADERS, _RST_STREAM, _SETTINGS, _GOAWAY = 1, 3, 4, 7
_END_STREAM, _END_HEADERS, _PADDED, _PRIORITY, _ACK = 0x1, 0x4, 0x8, 0x20, 0x1
_STREAM = 1
_MISDIRECTED = 421
#: RFC 7541 appendix A: what a field is called by a number, and the statuses that have one of their own.
_AUTHORITY, _PATH, _METHOD_GET, _SCHEME_HTTPS, _STATUS = 1, 4, 0x82, 0x87, 8
_STATUS_BY_INDEX = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
#: RFC 7541 appendix B: the codes of the digits.
_DIGITS = {"00000": "0", "00001": "1", "00010": "2"} | {f"{25 + place:06b}": str(3 + place) for place in range(7)}


def get_over_http2(channel: Channel, authority: str, path: str) -> Answer:
    """Ask for a path.

    Raises:
        UnexpectedAnswer: the server's answer is not HTTP/2.
        OSError: the connection ended before any byte.
    """
    fields = bytes([_METHOD_GET, _SCHEME_HTTPS]) + _literal(_AUTHORITY, authority) + _literal(_PATH, path)
    channel.send(_PREFACE + _frame(_SETTINGS, 0, 0, b""))
    channel.send(_frame(_HEADERS, _END_STREAM | _END_HEADERS, _STREAM, fields))
    while True:
        head = channel.exactly(9)
        kind, flags = head[3], head[4]
        payload = channel.exactly(int.from_bytes(head[:3], "big"))
        if kind == _SETTINGS and not flags & _ACK:
            channel.send(_frame(_SETTINGS, _ACK, 0, b""))
        elif kind in (_GOAWAY, _RST_STREAM):
            return Answer(False, f"HTTP/2 {'GOAWAY' if kind == _GOAWAY else 'RST_STREAM'}")
        elif kind == _HEADERS:
            status = _status(_without_padding(payload, flags))
            return Answer(False, f"HTTP/2 {status}") if status == _MISDIRECTED else judge(status, b"")


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _literal(index: int, text: str) -> bytes:
    """A field that is not indexed, with a name that is (RFC 7541 section 6.2.2)."""
    value = text.encode("ascii")
    assert len(value) < 127
    return bytes([index, len(value)]) + value


def _without_padding(payload: bytes, flags: int) -> bytes:
    if flags & _PADDED:
        payload = payload[1 : len(payload) - payload[0]]
    return payload[5:] if flags & _PRIORITY else payload


def _status(fields: bytes) -> int:
    """The first field of an answer is its status (RFC 9113 section 8.3)."""
    while fields[:1] and fields[0] & 0xE0 == 0x20:  # a dynamic table size update
        fields = fields[1:]
    first = fields[0] if fields else 0
    if first & 0x80:
        status = _STATUS_BY_INDEX.get(first & 0x7F)
        if status is not None:
            return status
    elif first & 0x3F == _STATUS or first & 0x0F == _STATUS:
        coded, size = fields[1] & 0x80, fields[1] & 0x7F
        value = fields[2 : 2 + size]
        text = _huffman_digits(value) if coded else value.decode("ascii", "replace")
        if text.isdigit():
            return int(text)
    raise UnexpectedAnswer("the server's answer over HTTP/2 does not begin with a status")


def _huffman_digits(value: bytes) -> str:
    bits, text, code = "".join(f"{byte:08b}" for byte in value), "", ""
    for bit in bits:
        code += bit
        if code in _DIGITS:
            text += _DIGITS[code]
            code = ""
    return text
