"""A TCP relay that records what goes through it, and writes that as a capture file for tshark. It needs no rights."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType

__all__ = ["Relay"]

_SEGMENT = 1400
_SYN, _PSH, _ACK = 0x02, 0x08, 0x10


class Relay:
    """Passes one connection after the other on to a server, and keeps the bytes of both directions in order.

    Attributes:
        target: the (host, port) of the server for the next connection.
        port: where it listens, on 127.0.0.1.
    """

    def __init__(self) -> None:
        self.target = ("127.0.0.1", 0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._connections: list[list[tuple[bool, bytes]]] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        socket.create_connection(("127.0.0.1", self.port)).close()  # an empty connection ends it
        self._thread.join()
        self._listener.close()

    def write_capture(self, path: Path) -> None:
        """Write all connections as a pcap file of IPv4 packets."""
        packets = [
            packet for number, chunks in enumerate(self._connections) for packet in self._packets(number, chunks)
        ]
        header = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)  # 101: packets begin with their IP header
        records = [
            struct.pack("<IIII", 1_700_000_000, number, len(packet), len(packet)) + packet
            for number, packet in enumerate(packets)
        ]
        path.write_bytes(header + b"".join(records))

    def _run(self) -> None:
        while True:
            client, _ = self._listener.accept()
            with client:
                if not client.recv(1, socket.MSG_PEEK):
                    return
                with socket.create_connection(self.target) as server:
                    self._pass_on(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        chunks: list[tuple[bool, bytes]] = []
        self._connections.append(chunks)
        others = {client: server, server: client}
        with selectors.DefaultSelector() as selector:
            for sock in others:
                selector.register(sock, selectors.EVENT_READ)
            while selector.get_map():
                for key, _ in selector.select():
                    assert isinstance(key.fileobj, socket.socket)
                    try:
                        data = key.fileobj.recv(65536)
                    except ConnectionError:
                        data = b""
                    with suppress(OSError):  # the other side has gone
                        if data:
                            chunks.append((key.fileobj is client, data))
                            others[key.fileobj].sendall(data)
                        else:
                            others[key.fileobj].shutdown(socket.SHUT_WR)
                    if not data:
                        selector.unregister(key.fileobj)

    def _packets(self, number: int, chunks: list[tuple[bool, bytes]]) -> list[bytes]:
        """One connection as IPv4 packets, from port ``50000 + number`` to 443."""
        sent = {True: 1000, False: 2000}

        def packet(from_client: bool, flags: int, data: bytes = b"") -> bytes:
            ports = (50000 + number, 443) if from_client else (443, 50000 + number)
            acknowledged = sent[not from_client] if flags & _ACK else 0
            tcp = struct.pack("!HHIIBBHHH", *ports, sent[from_client], acknowledged, 5 << 4, flags, 65535, 0, 0) + data
            addresses = (b"\x0a\0\0\x01", b"\x0a\0\0\x02") if from_client else (b"\x0a\0\0\x02", b"\x0a\0\0\x01")
            sent[from_client] += len(data) + (flags & _SYN) // _SYN
            return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0, *addresses) + tcp

        packets = [packet(True, _SYN), packet(False, _SYN | _ACK), packet(True, _ACK)]
        for from_client, data in chunks:
            for start in range(0, len(data), _SEGMENT):
                packets.append(packet(from_client, _PSH | _ACK, data[start : start + _SEGMENT]))
        return packets
