"""What a server does instead of a handshake, for clients that have to live with it: the cases of `cases.behaviour`."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Mapping

__all__ = ["AFTER_HANDSHAKE", "MISBEHAVIOURS", "reset"]

_HELLO = 65536
_HANDSHAKE_FAILURE = bytes([21, 3, 3, 0, 2, 2, 40])  # an alert record, RFC 8446 sections 5.1 and 6

#: The misbehaviour that comes only when the handshake is done.
AFTER_HANDSHAKE = "reset after handshake"


def reset(sock: socket.socket) -> None:
    """Have the socket's close reset the connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _close(sock: socket.socket) -> None:
    sock.recv(_HELLO)


def _reset(sock: socket.socket) -> None:
    sock.recv(_HELLO)
    reset(sock)


def _hang(sock: socket.socket) -> None:
    while sock.recv(_HELLO):
        pass


def _speak_http(sock: socket.socket) -> None:
    sock.recv(_HELLO)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    sock.recv(_HELLO)


def _send_alert(sock: socket.socket) -> None:
    sock.recv(_HELLO)
    sock.sendall(_HANDSHAKE_FAILURE)


#: By name; each is called with the TCP socket, in blocking mode, which is closed afterwards.
MISBEHAVIOURS: Mapping[str, Callable[[socket.socket], None]] = {
    "alert": _send_alert,
    "close": _close,
    "hang": _hang,
    "http": _speak_http,
    "reset": _reset,
}
