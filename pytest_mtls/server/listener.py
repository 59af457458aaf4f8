"""The listening sockets of a server, on loopback."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import ExitStack

from pytest_mtls.errors import InvalidArgument, PortUnavailable

__all__ = ["Listener"]

_ADDRESSES = {
    "localhost": ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")),
    "127.0.0.1": ((socket.AF_INET, "127.0.0.1"),),
    "::1": ((socket.AF_INET6, "::1"),),
}
_BACKLOG = 128
#: How many free ports of IPv4 to try before one is free for IPv6 as well.
_PORT_CHOICES = 20
_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


class Listener:
    """One port on loopback, open on IPv4, IPv6 or both.

    Args:
        host: "127.0.0.1", "::1", or "localhost" for both (only IPv4 on a machine without IPv6): what resolves the name
            may choose either, and must find this server there and no other.
        port: TCP port; 0 for any that is free.

    Raises:
        InvalidArgument: another host. Throw-away servers are not for others to reach.
        PortUnavailable: the port is in use, or may not be used.
    """

    def __init__(self, host: str, port: int) -> None:
        if host not in _ADDRESSES:
            raise InvalidArgument("host", host, "a loopback address: 'localhost', '127.0.0.1' or '::1'")
        if not isinstance(port, int) or not 0 <= port < 65536:
            raise InvalidArgument("port", port, "a number from 0 (any free port) to 65535")
        self.sockets = _open(host, port)
        self.port: int = self.sockets[0].getsockname()[1]

    def close(self) -> None:
        """Stop listening."""
        for sock in self.sockets:
            sock.close()


def _open(host: str, port: int) -> tuple[socket.socket, ...]:
    for _ in range(_PORT_CHOICES):
        try:
            return _open_all(_ADDRESSES[host], port)
        except OSError as error:
            if port != 0 or error.errno != errno.EADDRINUSE:
                raise PortUnavailable(host, port, os.strerror(error.errno or 0).lower()) from error
    raise PortUnavailable(host, port, f"no port was free for IPv4 and IPv6 alike in {_PORT_CHOICES} choices")


def _open_all(addresses: tuple[tuple[socket.AddressFamily, str], ...], port: int) -> tuple[socket.socket, ...]:
    """One socket an address, all on one port: the first chooses it, where it is 0."""
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for family, address in addresses:
            try:
                sock = socket.create_server((address, port), family=family, backlog=_BACKLOG)
            except OSError as error:
                if sockets and error.errno in _NO_SUCH_ADDRESS:
                    continue  # no IPv6 here
                raise
            opened.callback(sock.close)
            sock.setblocking(False)
            sockets.append(sock)
            port = sock.getsockname()[1]
        opened.pop_all()
        return tuple(sockets)
