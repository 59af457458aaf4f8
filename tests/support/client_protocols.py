"""The few bytes of each protocol by which its client library sees that it has been let in.

Each is a handler for `MutualTLSServer`: it is called with the TLS socket of an accepted client.
"""

from __future__ import annotations

import ssl
import struct
from base64 import b64encode
from collections.abc import Callable, Iterable
from hashlib import sha1
from typing import Any

from pytest_mtls import Handshake

__all__ = ["amqp", "http2", "kafka", "mongodb", "mqtt", "postgresql", "redis", "web_services", "websocket"]


def web_services(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """A WSGI app that passes for Elasticsearch, and for AWS's STS where something is posted."""
    if environ["REQUEST_METHOD"] == "POST":
        start_response("200 OK", [("Content-Type", "text/xml")])
        return [b"<GetCallerIdentityResponse><GetCallerIdentityResult/></GetCallerIdentityResponse>"]
    start_response("200 OK", [("Content-Type", "application/json"), ("X-Elastic-Product", "Elasticsearch")])
    return [b'{"version": {"number": "9.0.0"}}']


def websocket(sock: ssl.SSLSocket, handshake: Handshake) -> None:
    """Upgrade (RFC 6455 section 4.2.2), and answer the closing frame."""
    request = sock.recv(65536).decode()
    key = next(line.split(": ")[1] for line in request.split("\r\n") if line.lower().startswith("sec-websocket-key"))
    accept = b64encode(sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()).decode()
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    sock.sendall(f"{head}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    if sock.recv(65536):
        sock.sendall(b"\x88\x00")


def http2(sock: ssl.SSLSocket, handshake: Handshake) -> None:
    """Answer each gRPC call that nothing of the kind is found (RFC 9113 section 4.1, RFC 7541 section 6.2.2)."""
    stream = sock.makefile("rb")
    stream.read(len(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
    sock.sendall(_frame(4, 0, 0, b""))  # SETTINGS
    fields = {b"content-type": b"application/grpc", b"grpc-status": b"5"}
    block = b"\x88" + b"".join(b"\x00" + bytes([len(k)]) + k + bytes([len(v)]) + v for k, v in fields.items())
    while head := stream.read(9):
        stream.read(int.from_bytes(head[:3], "big"))
        if head[3] == 1:  # HEADERS: a call
            sock.sendall(_frame(1, 0x5, int.from_bytes(head[5:], "big"), block))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def redis(sock: ssl.SSLSocket, handshake: Handshake) -> None:
    """Answer every command with PONG (RESP 2)."""
    stream = sock.makefile("rb")
    while head := stream.readline():
        for _ in range(int(head[1:])):
            stream.read(int(stream.readline()[1:]) + 2)
        sock.sendall(b"+PONG\r\n")


def postgresql(sock: ssl.SSLSocket, handshake: Handshake) -> None:
    """Let it in without a password, and be ready for a query (its documentation, "Message Formats")."""
    sock.recv(65536)
    sock.sendall(b"R" + struct.pack(">ii", 8, 0) + b"Z" + struct.pack(">i", 5) + b"I")
    sock.recv(65536)  # Terminate


def mongodb(sock: ssl.SSLSocket, handshake: Handshake) -> None:
    """Answer every message that all is well: OP_MSG (2013), and OP_QUERY (2004) with OP_REPLY (1)."""
    import bson

    limits = {"maxBsonObjectSize": 16 << 20, "maxMessageSizeBytes": 48 << 20, "maxWriteBatchSize": 100_000}
    document = bson.encode({"ok": 1.0, "isWritablePrimary": True, "minWireVersion": 0, "maxWireVersion": 25, **limits})
    stream = sock.makefile("rb")
    while head := stream.read(16):
        length, request, _, kind = (int.from_bytes(head[i : i + 4], "little") for i in range(0, 16, 4))
        stream.read(length - 16)
        old = b"\x08\0\0\0" + bytes(12) + b"\x01\0\0\0" + document  # flags, cursor, start, count
        code, body = (2013, bytes(5) + document) if kind == 2013 else (1, old)
        sock.sendall(b"".join(n.to_bytes(4, "little") for n in (16 + len(body), 0, request, code)) + body)


def mqtt(sock: ssl.SSLSocket, handshake: Handshake) -> None:
    """Accept the connection: CONNACK (MQTT 3.1.1 section 3.2)."""
    sock.recv(65536)
    sock.sendall(b"\x20\x02\x00\x00")
    sock.recv(65536)


def amqp(sock: ssl.SSLSocket, handshake: Handshake) -> None:
    """Let it introduce itself, and show it the door (AMQP 0-9-1 section 1.4): Connection.Start, Connection.Close."""
    sock.recv(8)
    sock.sendall(_method(10, 10, b"\x00\x09" + bytes(4) + b"\0\0\0\x05PLAIN" + b"\0\0\0\x05en_US"))
    if sock.recv(65536):
        sock.sendall(_method(10, 50, (403).to_bytes(2, "big") + bytes(5)))
        sock.recv(65536)


def _method(kind: int, number: int, arguments: bytes) -> bytes:
    payload = kind.to_bytes(2, "big") + number.to_bytes(2, "big") + arguments
    return b"\x01\0\0" + len(payload).to_bytes(4, "big") + payload + b"\xce"


def kafka(sock: ssl.SSLSocket, handshake: Handshake) -> None:
    """Tell which versions it speaks, and that it is a broker without topics (ApiVersions 0, Metadata 1)."""
    _, port = handshake.local_address or ("", 0)
    versions = b"".join(_int16(*row) for row in ((3, 1, 1), (18, 0, 0)))
    broker = _int32(1) + _int32(0) + _string("localhost") + _int32(port) + _int16(-1)
    stream = sock.makefile("rb")
    while head := stream.read(12):
        size, kind, version, request = struct.unpack(">ihhi", head)
        stream.read(size - 8)
        unknown = 35 if version else 0  # as a version of the question
        body = _int16(unknown) + _int32(2) + versions if kind == 18 else broker + _int32(0) + _int32(0)
        sock.sendall(_int32(4 + len(body)) + _int32(request) + body)


def _int16(*numbers: int) -> bytes:
    return struct.pack(f">{len(numbers)}h", *numbers)


def _int32(number: int) -> bytes:
    return struct.pack(">i", number)


def _string(text: str) -> bytes:
    return _int16(len(text)) + text.encode()
