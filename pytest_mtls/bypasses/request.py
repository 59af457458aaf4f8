"""HTTP/1.1 requests that say what no client library would, and their answers whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pytest_mtls.client.protocols.http import judge, read_status
from pytest_mtls.client.protocols.protocol import Answer, UnexpectedAnswer

if TYPE_CHECKING:
    from pytest_mtls.client.endpoint import Endpoint
    from pytest_mtls.client.protocols.channel import Channel

__all__ = ["Reply", "Request"]

_LONGEST_BODY = 1 << 20
_MISDIRECTED = 421


@dataclass(frozen=True)
class Request:
    """A GET request.

    Attributes:
        path: the endpoint's by default.
        host: the Host header; that of the endpoint by default.
        headers: others.
    """

    path: str | None = None
    host: str | None = None
    headers: tuple[tuple[str, str], ...] = ()

    def as_bytes(self, target: Endpoint, *, is_last: bool = True) -> bytes:
        """What goes over the wire. The last one of a connection says so."""
        fields = [("Host", self.host or target.netloc), ("Accept", "*/*"), *self.headers]
        fields.append(("Connection", "close" if is_last else "keep-alive"))
        lines = [f"GET {self.path or target.path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        status: the code.
        headers: by lower-case name.
        body: what follows.
    """

    status: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes = field(default=b"", repr=False)

    @classmethod
    def read(cls, channel: Channel) -> Reply:
        """Read one answer, to its end.

        Raises:
            UnexpectedAnswer: it is not HTTP.
            OSError: the connection ended before any byte, or an alert came.
        """
        status = read_status(channel)
        headers: dict[str, str] = {}
        while line := channel.line():
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        try:
            return cls(status, headers, _body(channel, status, headers))
        except ValueError as error:
            raise UnexpectedAnswer(f"the length of the server's answer is none: {error}") from None

    @property
    def answer(self) -> Answer:
        """The verdict that it gives."""
        if self.status == _MISDIRECTED:  # RFC 9110 section 15.5.20
            return Answer(False, f"HTTP {self.status}")
        return judge(self.status, self.body)

    def same_as(self, other: Reply) -> bool:
        """Whether both give the same."""
        return (self.status, self.body) == (other.status, other.body)


def _body(channel: Channel, status: int, headers: Mapping[str, str]) -> bytes:
    if status in (204, 304):
        return b""
    if headers.get("transfer-encoding", "").lower().endswith("chunked"):
        return _chunks(channel)
    if "content-length" in headers:
        return channel.exactly(min(int(headers["content-length"]), _LONGEST_BODY))
    return channel.rest(_LONGEST_BODY)


def _chunks(channel: Channel) -> bytes:
    """RFC 9112 section 7.1, without trailers."""
    body = b""
    while size := int(channel.line().partition(b";")[0], 16):
        body += channel.exactly(size)
        channel.line()
    channel.line()
    return body
