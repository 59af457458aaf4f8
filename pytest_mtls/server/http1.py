"""HTTP/1.1 (RFC 9112) on an accepted connection, answered by a WSGI application.

What a client sends is taken as the RFC has it and not as it may have meant it: where the end of a request is not certain,
the answer is 400 and the end of the connection, since a guess lets one request hide in another (section 11.2).
"""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Sequence
from email.utils import formatdate
from http import HTTPStatus

from pytest_mtls.server.wsgi import Answer, Request, Respond
from pytest_mtls.tls.handshake import Handshake

__all__ = ["serve_http1"]

#: What a request may have at most.
LONGEST_LINE = 65536
LONGEST_HEAD = 2 * LONGEST_LINE
MOST_FIELDS = 100
LARGEST_BODY = 2**30

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%s) ([\x21-\x7e\x80-\xff]+) HTTP/(\d)\.(\d)" % _TOKEN)
_FIELD = re.compile(
    rb"(%s):[ \t]*((?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?)[ \t]*" % _TOKEN
)
#: reg-name, an IPv4 address or an IPv6 address in brackets, and a port (RFC 3986 section 3.2); it may be empty.
_HOST = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::\d*)?")
_ABSOLUTE = re.compile(r"https?://([^/?#]*)([^#]*)", re.IGNORECASE)
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_BLANK = re.compile(rb"(?:\r?\n)*")
#: What a header of an answer may hold (RFC 9110 section 5.5), and a status line (RFC 9112 section 4).
_NAME_SENT = re.compile(_TOKEN.decode())
_VALUE_SENT = re.compile(r"[\t\x20-\x7e\x80-\xff]*")
_STATUS_SENT = re.compile(r"[1-5]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?")
_MOST_DIGITS = 18
_RECEIVED = 65536

log = logging.getLogger("pytest_mtls")


def serve_http1(sock: socket.socket, handshake: Handshake, respond: Respond) -> None:
    """Answer one request after the other until the client ends the connection, or asks for something that is not HTTP.

    Raises:
        OSError: the client has gone, or is silent for too long.
    """
    _Conversation(sock, handshake, respond).run()


class _Refused(Exception):
    """A request that is answered with an error, after which the connection ends: nobody knows where the next one begins."""

    def __init__(self, status: HTTPStatus, why: str) -> None:
        self.status = status
        self.why = why


class _Ended(Exception):
    """The client ended the connection."""


class _Conversation:
    """The requests of one connection."""

    def __init__(self, sock: socket.socket, handshake: Handshake, respond: Respond) -> None:
        self._sock = sock
        self._handshake = handshake
        self._respond = respond
        self._received = b""

    def run(self) -> None:
        """Serve them all."""
        try:
            while self._serve_one():
                pass
        except _Ended:
            pass
        except _Refused as refused:
            log.debug("answered %s: %s", refused.status.value, refused.why)
            body = f"{refused.status.value} {refused.status.phrase}: {refused.why}\n".encode()
            status = f"{refused.status.value} {refused.status.phrase}"
            answer = Answer(status, (("Content-Type", "text/plain; charset=utf-8"),), body)
            self._sock.sendall(_as_bytes(answer, "GET", persists=False, is_old=False))

    def _serve_one(self) -> bool:
        """Answer one request; whether another one may follow."""
        method, target, version, headers = _parsed(self._take_head())
        is_old = version == "HTTP/1.0"
        named = _named(headers)
        host = named.get("host", ())
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is not None:  # section 3.2.2: what it says goes before the Host field
            host = (absolute[1],)
            target = absolute[2] if absolute[2].startswith("/") else f"/{absolute[2]}"
            headers = [("Host", absolute[1]), *(pair for pair in headers if pair[0].lower() != "host")]
        if len(host) > 1 or (not host and not is_old) or any(_HOST.fullmatch(one) is None for one in host):
            raise _Refused(HTTPStatus.BAD_REQUEST, "it needs one Host field, with a host (RFC 9112 section 3.2)")
        body = self._take_body(named, is_old)
        answer = self._respond(Request(method, target, version, tuple(headers), body), self._handshake)
        options = _members(named.get("connection", ()))
        persists = "close" not in options and (not is_old or "keep-alive" in options)
        persists = persists and "close" not in _members(
            value for name, value in answer.headers if name.lower() == "connection"
        )
        try:
            data = _as_bytes(answer, method, persists=persists, is_old=is_old)
        except ValueError as error:
            log.error("the app's answer to %s %s is not HTTP: %s", method, target, error)
            plain = (("Content-Type", "text/plain"),)
            broken = Answer("500 Internal Server Error", plain, b"the app's answer is not HTTP; see the log\n")
            data = _as_bytes(broken, method, persists=persists, is_old=is_old)
        self._sock.sendall(data)
        return persists

    # --- what comes ---------------------------------------------------------------------------------------------------

    def _take_head(self) -> list[bytes]:
        """The lines of the next request before its body; empty lines before it are passed over (section 2.2)."""
        while True:
            blank = _BLANK.match(self._received)
            if blank is not None and blank.end():
                self._received = self._received[blank.end() :]
            end = _END_OF_HEAD.search(self._received)
            if end is not None:
                break
            self._check_head(self._received)
            self._fill()
        head, self._received = self._received[: end.start()], self._received[end.end() :]
        self._check_head(head)
        return [line.removesuffix(b"\r") for line in head.split(b"\n")]

    @staticmethod
    def _check_head(head: bytes) -> None:
        if len(head) > LONGEST_LINE and head.find(b"\n", 0, LONGEST_LINE) < 0:
            raise _Refused(HTTPStatus.REQUEST_URI_TOO_LONG, f"its first line has more than {LONGEST_LINE} bytes")
        if len(head) > LONGEST_HEAD:
            raise _Refused(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"its header fields have more than {LONGEST_HEAD} bytes"
            )

    def _take_body(self, named: dict[str, tuple[str, ...]], is_old: bool) -> bytes:
        """The content (section 6.3)."""
        codings, lengths = named.get("transfer-encoding"), named.get("content-length")
        if codings is None and lengths is None:
            return b""
        length = 0 if lengths is None else _length(lengths)
        if codings is not None:
            if lengths is not None:
                raise _Refused(HTTPStatus.BAD_REQUEST, "it has Content-Length and Transfer-Encoding")
            if is_old:
                raise _Refused(HTTPStatus.BAD_REQUEST, "it has Transfer-Encoding, which HTTP/1.0 does not know")
            *others, last = _members(codings) or [""]
            if last != "chunked" or "chunked" in others:
                raise _Refused(HTTPStatus.BAD_REQUEST, "its last transfer coding, and only that, has to be chunked")
            if others:
                raise _Refused(HTTPStatus.NOT_IMPLEMENTED, f"the transfer coding {others[0]!r} is not known here")
        expected = _members(named.get("expect", ()))
        if expected and not is_old:  # RFC 9110 section 10.1.1
            if expected != ["100-continue"]:
                raise _Refused(HTTPStatus.EXPECTATION_FAILED, f"it expects {expected[0]!r}")
            if not self._received:
                self._sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        return self._take(length) if codings is None else self._take_chunks()

    def _take_chunks(self) -> bytes:
        """Chunked content (section 7.1), without its trailer fields."""
        content = bytearray()
        while True:
            line = _CHUNK_LINE.fullmatch(self._take_line("chunk"))
            if line is None:
                raise _Refused(HTTPStatus.BAD_REQUEST, "the size of a chunk is not a hexadecimal number")
            digits = line[1].lstrip(b"0")
            if len(digits) > _MOST_DIGITS or len(content) + int(digits or b"0", 16) > LARGEST_BODY:
                raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"its content has more than {LARGEST_BODY} bytes")
            size = int(digits or b"0", 16)
            if not size:
                break
            content += self._take(size)
            if self._take_line("end of a chunk"):
                raise _Refused(HTTPStatus.BAD_REQUEST, "a chunk is longer than its size")
        count = 0
        while self._take_line("trailer field"):
            count += 1
            if count > MOST_FIELDS:
                raise _Refused(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"it has more than {MOST_FIELDS} trailer fields"
                )
        return bytes(content)

    def _take_line(self, what: str) -> bytes:
        while (end := self._received.find(b"\n", 0, LONGEST_LINE)) < 0:
            if len(self._received) >= LONGEST_LINE:
                raise _Refused(HTTPStatus.BAD_REQUEST, f"the line of a {what} does not end")
            self._fill()
        line, self._received = self._received[:end], self._received[end + 1 :]
        return line.removesuffix(b"\r")

    def _take(self, count: int) -> bytes:
        parts = [self._received[:count]]
        self._received = self._received[count:]
        missing = count - len(parts[0])
        while missing:
            part = self._sock.recv(min(missing, _RECEIVED))
            if not part:
                raise _Ended
            parts.append(part)
            missing -= len(part)
        return b"".join(parts)

    def _fill(self) -> None:
        part = self._sock.recv(_RECEIVED)
        if not part:
            raise _Ended
        self._received += part


# --- requests --------------------------------------------------------------------------------------------------------


def _parsed(lines: Sequence[bytes]) -> tuple[str, str, str, list[tuple[str, str]]]:
    """Method, target, version and header fields."""
    line = _REQUEST_LINE.fullmatch(lines[0])
    if line is None:
        raise _Refused(HTTPStatus.BAD_REQUEST, "its first line is not METHOD TARGET HTTP/VERSION")
    if line[3] != b"1":
        version = b".".join(line.group(3, 4)).decode()
        raise _Refused(HTTPStatus.HTTP_VERSION_NOT_SUPPORTED, f"HTTP/{version} is not spoken here")
    if len(lines) - 1 > MOST_FIELDS:
        raise _Refused(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"it has more than {MOST_FIELDS} header fields")
    headers = []
    for text in lines[1:]:
        field = _FIELD.fullmatch(text)
        if field is None:
            raise _Refused(HTTPStatus.BAD_REQUEST, "a line is not a header field (RFC 9112 section 5)")
        headers.append((field[1].decode("ascii"), field[2].decode("latin-1")))
    version = "HTTP/1.0" if line[4] == b"0" else "HTTP/1.1"
    return line[1].decode("ascii"), line[2].decode("latin-1"), version, headers


def _named(headers: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """The values of each field, by its name in lower case."""
    named: dict[str, tuple[str, ...]] = {}
    for name, value in headers:
        key = name.lower()
        named[key] = (*named.get(key, ()), value)
    return named


def _members(values: object) -> list[str]:
    """The members of a list field (RFC 9110 section 5.6.1), in lower case."""
    text = ",".join(values)  # type: ignore[arg-type]
    return [member for part in text.lower().split(",") if (member := part.strip(" \t"))]


def _length(values: Sequence[str]) -> int:
    """The length that Content-Length gives, which may come again if it is always the same (section 6.3)."""
    members = {part.strip(" \t") for value in values for part in value.split(",")}
    (length, *others) = members
    if others or not length.isascii() or not length.isdigit():
        raise _Refused(HTTPStatus.BAD_REQUEST, "its Content-Length is not a number")
    digits = length.lstrip("0") or "0"
    if len(digits) > _MOST_DIGITS or int(digits) > LARGEST_BODY:
        raise _Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"its content has more than {LARGEST_BODY} bytes")
    return int(digits)


# --- answers ---------------------------------------------------------------------------------------------------------


def _as_bytes(answer: Answer, method: str, *, persists: bool, is_old: bool) -> bytes:
    """An answer as it goes over the wire.

    Raises:
        ValueError: the app's status or a header of it cannot.
    """
    if _STATUS_SENT.fullmatch(answer.status) is None:
        raise ValueError(f"the status {answer.status!r}")
    status = answer.status if " " in answer.status else f"{answer.status} "
    lines = [f"HTTP/1.1 {status}"]
    names = set()
    for name, value in answer.headers:
        if _NAME_SENT.fullmatch(name) is None or _VALUE_SENT.fullmatch(value) is None:
            raise ValueError(f"the header {name!r}: {value!r}")
        lines.append(f"{name}: {value}")
        names.add(name.lower())
    code = status[:3]
    has_no_content = code[0] == "1" or code in ("204", "304")
    if "server" not in names:
        lines.append("Server: pytest-mtls")
    if "date" not in names:
        lines.append(f"Date: {formatdate(usegmt=True)}")
    if "content-length" not in names and not has_no_content:  # RFC 9110 section 8.6
        lines.append(f"Content-Length: {len(answer.body)}")
    if "connection" not in names:
        if not persists:
            lines.append("Connection: close")
        elif is_old:
            lines.append("Connection: keep-alive")
    head = "\r\n".join((*lines, "", "")).encode("latin-1")
    return head if method == "HEAD" or has_no_content else head + answer.body
