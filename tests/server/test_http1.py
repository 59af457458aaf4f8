"""HTTP/1.1 of the in-process server: what it answers to requests that are no good, byte by byte (RFC 9110, RFC 9112)."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer
from pytest_mtls.server import http1

Factory = Callable[..., MutualTLSServer]
Say = Callable[..., list[tuple[int, bytes]]]


def echo(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """An app that tells what it was asked."""
    start_response("200 OK", [("Content-Type", "application/json")])
    told = {name: environ[name] for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "SERVER_PROTOCOL")}
    told["headers"] = {name: value for name, value in environ.items() if name.startswith("HTTP_")}
    told["body"] = environ["wsgi.input"].read().decode("latin-1")
    return [json.dumps(told).encode()]


@contextmanager
def connected(server: MutualTLSServer, client: Identity, ca: CertificateAuthority) -> Iterator[socket.socket]:
    context = client.ssl_context(trust=ca)
    with (
        socket.create_connection(server.address, 10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as sock,
    ):
        yield sock


def answers(data: bytes) -> list[tuple[int, bytes]]:
    """Status and content of each answer in a stream."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        length = re.search(rb"(?im)^content-length: (\d+)", head)
        size = int(length[1]) if length is not None else 0
        found.append((status, data[:size]))
        data = data[size:]
    return found


@pytest.fixture
def say(mtls_server_factory: Factory, mtls_client_cert: Identity, mtls_ca: CertificateAuthority) -> Say:
    """Send bytes, and read all that is answered until the server ends the connection."""
    server = mtls_server_factory(echo, idle_timeout=10)

    def say(*parts: bytes) -> list[tuple[int, bytes]]:
        with connected(server, mtls_client_cert, mtls_ca) as sock:
            for part in parts:
                sock.sendall(part)
            data = b""
            while part := sock.recv(65536):
                data += part
            return answers(data)

    return say


def told(answer: tuple[int, bytes]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(answer[1])
    return result


HOST = b"Host: localhost\r\n"
CHUNKS = b'3;name="value"\r\nabc\r\n00A \r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n'
LAST = b"GET /last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1 \r\n" + HOST + b"\r\n", 400),
        (b"GET  / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"G(T / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
        (b"GET / HTTP/x.y\r\n" + HOST + b"\r\n", 400),
        (b"\x16\x03\x01\x02\x00 / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n" + HOST + b"\r\n", 505),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", 414),
        (b"a" * 140_000, 414),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"a" * 140_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 100 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A : b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\x00c\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\rc: d\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n" + HOST + b"nothing\r\n\r\n", 400),
    ],
    ids=[
        "HTTP 0.9",
        "space after the version",
        "two spaces",
        "method",
        "version",
        "TLS inside TLS",
        "HTTP 2 in plain",
        "long target",
        "no end of line",
        "long field",
        "many fields",
        "no host",
        "two hosts",
        "bad host",
        "space before the colon",
        "folded",
        "NUL",
        "bare CR",
        "no colon",
    ],
)
def test_head_that_is_no_good(say: Say, request_: bytes, status: int) -> None:
    """The answer has the RFC's status, and ends the connection: what follows is not a request any more."""
    assert [status] == [code for code, _ in say(request_ + LAST)]


@pytest.mark.parametrize(
    ("fields", "content", "status"),
    [
        (b"Content-Length: x\r\n", b"", 400),
        (b"Content-Length: -1\r\n", b"", 400),
        (b"Content-Length: +1\r\n", b"a", 400),
        (b"Content-Length: 1_0\r\n", b"a", 400),
        (b"Content-Length: 0x1\r\n", b"a", 400),
        (b"Content-Length: \r\n", b"", 400),
        ("Content-Length: \N{ARABIC-INDIC DIGIT ONE}\r\n".encode(), b"a", 400),
        (b"Content-Length: 1, 2\r\n", b"a", 400),
        (b"Content-Length: 1\r\nContent-Length: 2\r\n", b"a", 400),
        (b"Content-Length: 1e9\r\n", b"", 400),
        (b"Content-Length: " + b"9" * 5000 + b"\r\n", b"", 413),
        (b"Content-Length: 1073741825\r\n", b"", 413),
        (b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n", 400),
        (b"Transfer-Encoding: gzip\r\n", b"", 400),
        (b"Transfer-Encoding: chunked, gzip\r\n", b"0\r\n\r\n", 400),
        (b"Transfer-Encoding: chunked, chunked\r\n", b"0\r\n\r\n", 400),
        (b"Transfer-Encoding: \r\n", b"", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n", 501),
        (b"Transfer-Encoding: chunked\r\n", b"x\r\n\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n", b"-1\r\n\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n", b"0x1\r\na\r\n0\r\n\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n", b"1_0\r\n\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n", b"1\r\nab\r\n0\r\n\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n", b"f" * 5000 + b"\r\n", 413),
        (b"Transfer-Encoding: chunked\r\n", b"40000001\r\n", 413),
        (b"Transfer-Encoding: chunked\r\n", b"1;" + b"a" * 70_000 + b"\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n", b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n", 431),
        (b"Expect: something\r\nContent-Length: 1\r\n", b"a", 417),
    ],
)
def test_content_whose_end_is_not_certain(say: Say, fields: bytes, content: bytes, status: int) -> None:
    """No length is guessed: the answer is the RFC's status, and no second request can hide in what follows."""
    assert [status] == [code for code, _ in say(b"POST / HTTP/1.1\r\n" + HOST + fields + b"\r\n" + content, LAST)]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"\r\n\r\nGET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", {"PATH_INFO": "/a", "QUERY_STRING": "b=c", "body": ""}),
        (b"GET / HTTP/1.1\nHost: x\n\n", {"REQUEST_METHOD": "GET"}),
        (b"GET https://y:1/a?b HTTP/1.1\r\nHost: x\r\n\r\n", {"PATH_INFO": "/a", "headers": {"HTTP_HOST": "y:1"}}),
        (b"GET https://y?b HTTP/1.1\r\nHost: x\r\n\r\n", {"PATH_INFO": "/", "QUERY_STRING": "b"}),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", {"PATH_INFO": "*"}),
        (b"GET //a HTTP/1.1\r\nHost: [::1]:1\r\n\r\n", {"PATH_INFO": "//a"}),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA:\tb c \t\r\nA:\r\n\r\n", {"headers": {"HTTP_HOST": "x", "HTTP_A": "b c,"}}),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 03, 3\r\n\r\nabc", 400),
        (b"PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\nabc", {"body": "abc"}),
        (
            b"PUT / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: Chunked\r\n\r\n" + CHUNKS,
            {"body": "abc0123456789"},
        ),
        (b"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", {"SERVER_PROTOCOL": "HTTP/1.0"}),
    ],
)
def test_request_that_is_good(say: Say, request_: bytes, expected: Any) -> None:
    """It is answered, and so is the next one on the connection."""
    if isinstance(expected, int):
        assert [expected] == [code for code, _ in say(request_ + LAST)]
        return
    first, second = say(request_ + LAST)
    assert (200, 200, "/last") == (first[0], second[0], told(second)["PATH_INFO"])
    assert expected == {name: value for name, value in told(first).items() if name in expected}


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: a, CLOSE\r\n\r\n",
        b"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n",
    ],
)
def test_last_request_of_a_connection(say: Say, request_: bytes) -> None:
    """The connection ends after it."""
    assert [200] == [code for code, _ in say(request_ + LAST)]


def test_request_may_come_byte_by_byte(say: Say) -> None:
    """Where the network cuts is of no account."""
    request = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n" + LAST
    first, second = say(*(request[place : place + 1] for place in range(len(request))))
    assert ("ab", "/last") == (told(first)["body"], told(second)["PATH_INFO"])


def test_content_is_asked_for(
    mtls_server_factory: Factory, mtls_client_cert: Identity, mtls_ca: CertificateAuthority
) -> None:
    """A client that waits for ``100 Continue`` gets it, once, and before its content."""
    with connected(mtls_server_factory(echo), mtls_client_cert, mtls_ca) as sock:
        sock.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert b"HTTP/1.1 100 Continue\r\n\r\n" == sock.recv(100)
        sock.sendall(b"ab")
        assert "ab" == told(answers(sock.recv(65536))[0])["body"]


def test_client_that_leaves_in_the_middle(
    mtls_server_factory: Factory,
    mtls_client_cert: Identity,
    mtls_ca: CertificateAuthority,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is not a fault of anybody's: nothing is answered, and nothing is in the log."""
    server = mtls_server_factory(echo)
    for part in (b"GET / HT", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"):
        with connected(server, mtls_client_cert, mtls_ca) as sock:
            sock.sendall(part)
    assert [True, True] == [one.accepted for one in server.handshakes]
    server.stop()
    assert [] == [record for record in caplog.records if record.levelname != "DEBUG"]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("two hundred", []),
        ("999 Out of range", []),
        ("200 OK\r\nA: b", []),
        ("200 OK", [("A\r\nB", "c")]),
        ("200 OK", [("A", "b\r\nC: d")]),
        ("200 OK", [("A", "\N{SNOWMAN}")]),
        ("200 OK", [("", "b")]),
    ],
)
def test_answer_of_an_app_that_is_no_http(
    mtls_server_factory: Factory,
    mtls_client_cert: Identity,
    mtls_ca: CertificateAuthority,
    caplog: pytest.LogCaptureFixture,
    status: str,
    headers: list[tuple[str, str]],
) -> None:
    """The client gets status 500 and no header of the app's making; the log says what was wrong."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response(status, headers)
        return [b"content"]

    with connected(mtls_server_factory(app), mtls_client_cert, mtls_ca) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = sock.recv(65536)
    assert answer.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")
    assert b"C: d" not in answer
    assert "the app's answer to GET / is not HTTP" in caplog.text


@pytest.mark.parametrize(
    ("method", "status", "has_length", "content"),
    [
        (b"HEAD", "200 OK", True, b""),
        (b"GET", "204 No Content", False, b""),
        (b"GET", "304 Not Modified", False, b""),
        (b"GET", "404", True, b"content"),
    ],
)
def test_answer_without_content(
    mtls_server_factory: Factory,
    mtls_client_cert: Identity,
    mtls_ca: CertificateAuthority,
    method: bytes,
    status: str,
    has_length: bool,
    content: bytes,
) -> None:
    """HEAD, 204 and 304 have none, and 204 no length either (RFC 9110 section 8.6); the connection goes on."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        start_response(status, [])
        return [b"content"]

    with connected(mtls_server_factory(app), mtls_client_cert, mtls_ca) as sock:
        for _ in range(2):
            sock.sendall(method + b" / HTTP/1.1\r\nHost: x\r\n\r\n")
            head, _, body = sock.recv(65536).partition(b"\r\n\r\n")
            assert (has_length, content) == (b"Content-Length: 7" in head, body)


def test_limits_are_those_of_the_module() -> None:
    """What the tests above go beyond is what the server allows."""
    assert (65536, 131072, 100, 2**30) == (
        http1.LONGEST_LINE,
        http1.LONGEST_HEAD,
        http1.MOST_FIELDS,
        http1.LARGEST_BODY,
    )
