"""A TCP balancer that takes its backends in turn, in this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from pytest_mtls import MutualTLSServer

__all__ = ["balancer"]


@contextmanager
def balancer(*backends: MutualTLSServer) -> Iterator[int]:
    """The port of a TCP balancer that takes its backends in turn."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0)))
        threads: list[threading.Thread] = []

        def pump(source: socket.socket, sink: socket.socket) -> None:
            try:
                while data := source.recv(65536):
                    sink.sendall(data)
                sink.shutdown(socket.SHUT_WR)
            except OSError:
                pass  # one of the two has gone

        def accept() -> None:
            turn = 0
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                backend = socket.create_connection(("127.0.0.1", backends[turn % len(backends)].port))
                turn += 1
                pair = [threading.Thread(target=pump, args=ends) for ends in ((client, backend), (backend, client))]
                for thread in pair:
                    thread.start()
                for thread in pair:
                    thread.join()
                client.close()
                backend.close()

        threads.append(threading.Thread(target=accept))
        threads[0].start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            threads[0].join()
