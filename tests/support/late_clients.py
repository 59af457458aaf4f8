"""Clients that are not ours, each of which says for itself whether it took a server: one process for all servers where it can be."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from support.programs_built import PROGRAMS, build_go
from support.requirements import require_library, require_program

from pytest_mtls import Identity

__all__ = ["CLIENTS", "Ask", "ClientSaysNo"]

_SECONDS = 60


class ClientSaysNo(Exception):
    """The client's own word that it did not take the server, or did not get on with it."""


#: Called with the server's port and the host name to ask for; raises `ClientSaysNo`.
Ask = Callable[[int, str], None]
#: Called with who the client is, the PEM file of its trusted CA, and the hosts that it will be asked for.
Client = Callable[[Identity, Path, Iterable[str]], AbstractContextManager[Ask]]


@contextmanager
def _program(command: Iterable[str | Path]) -> Iterator[Ask]:
    """One that is told on its standard input, and answers with a line."""
    with subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as program:

        def ask(port: int, host: str) -> None:
            assert program.stdin is not None
            assert program.stdout is not None
            print(port, host, file=program.stdin, flush=True)
            word, _, why = program.stdout.readline().strip().partition(" ")
            assert word in ("accepted", "refused"), "the program has ended"
            if word == "refused":
                raise ClientSaysNo(why)

        try:
            yield ask
        finally:
            program.kill()


def _go(identity: Identity, ca: Path, hosts: Iterable[str]) -> AbstractContextManager[Ask]:
    return _program([build_go("client"), identity.cert_path, identity.key_path, ca])


def _node(identity: Identity, ca: Path, hosts: Iterable[str]) -> AbstractContextManager[Ask]:
    program = require_program("node", apt="nodejs")
    return _program([program, PROGRAMS / "client.js", identity.cert_path, identity.key_path, ca])


def _java(identity: Identity, ca: Path, hosts: Iterable[str]) -> AbstractContextManager[Ask]:
    program = require_program("java", apt="openjdk-17-jdk-headless")
    require_program("javac", apt="openjdk-17-jdk-headless")
    table = ca.with_name("hosts")
    table.write_text("".join(f"127.0.0.1 {host}\n" for host in sorted(set(hosts))), encoding="ascii")
    options = ["-XX:+UseSerialGC", "-Xshare:auto", f"-Djdk.net.hosts.file={table}"]
    return _program([program, *options, PROGRAMS / "Client.java", identity.cert_path, identity.key_path, ca])


@contextmanager
def _curl(identity: Identity, ca: Path, hosts: Iterable[str]) -> Iterator[Ask]:
    program = require_program("curl", apt="curl")
    files = ["--cacert", ca, "--cert", identity.cert_path, "--key", identity.key_path]

    def ask(port: int, host: str) -> None:
        command = [program, "-sS", "-o", "/dev/null", "--max-time", _SECONDS, *files, "--noproxy", "*"]
        command += ["--resolve", f"{host}:{port}:127.0.0.1", f"https://{host}:{port}/"]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, errors="replace")
        if done.returncode:
            raise ClientSaysNo(done.stderr.strip())

    yield ask


def _aiohttp(identity: Identity, ca: Path, hosts: Iterable[str]) -> AbstractContextManager[Ask]:
    require_library("aiohttp", pip="aiohttp")
    return _program([sys.executable, PROGRAMS / "aiohttp_client.py", identity.cert_path, identity.key_path, ca])


CLIENTS: Mapping[str, Client] = {
    "Go net/http": _go,
    "Java HttpClient": _java,
    "Node https": _node,
    "curl": _curl,
    "aiohttp": _aiohttp,
}
