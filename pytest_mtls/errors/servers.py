"""What is wrong with a server or with what is said of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pytest_mtls.errors.base import MtlsError

__all__ = [
    "AppNotStarted",
    "HandshakesForgotten",
    "InvalidEndpoint",
    "InvalidOption",
    "InvalidPolicy",
    "InvalidReport",
    "PortUnavailable",
    "ServerNotLaunched",
    "ServerNotRunning",
    "UnusableKeyLog",
]


@dataclass(eq=False)
class HandshakesForgotten(MtlsError):
    """A server was asked for more handshakes than it keeps."""

    count: int
    kept: int

    def __str__(self) -> str:
        return (
            f"{self.count} connections came since then, and the server keeps {self.kept} handshakes. "
            "Start it with keep=None, or with a larger number."
        )


@dataclass(eq=False)
class InvalidEndpoint(MtlsError):
    """Something that does not say where a server listens."""

    value: Any
    problem: str

    def __str__(self) -> str:
        return (
            f"{self.value!r} is not an endpoint: {self.problem}. "
            "Give a running MutualTLSServer, an Endpoint, a pair (host, port), or a URL such as https://localhost:8443."
        )


@dataclass(eq=False)
class InvalidOption(MtlsError):
    """What an option of the command line names cannot be used."""

    name: str
    problem: str

    def __str__(self) -> str:
        return f"{self.name}: {self.problem}"


@dataclass(eq=False)
class InvalidPolicy(MtlsError):
    """A policy for the conformance run cannot be read, or says what no policy can."""

    source: str
    problem: str

    def __str__(self) -> str:
        return f"the policy in {self.source} cannot be used: {self.problem}."


@dataclass(eq=False)
class AppNotStarted(MtlsError):
    """An ASGI app said that its start-up failed."""

    problem: str

    def __str__(self) -> str:
        return f"the ASGI app could not be started up: {self.problem}. Its own exception is the cause of this one."


@dataclass(eq=False)
class InvalidReport(MtlsError):
    """A file that should hold a baseline or a report of an earlier run."""

    path: str
    problem: str

    def __str__(self) -> str:
        return (
            f"{self.path} cannot be compared: {self.problem}. "
            "Write a baseline with --mtls-baseline-update, or a report with --mtls-report FILE.json."
        )


@dataclass(eq=False)
class PortUnavailable(MtlsError):
    """The server cannot listen on this address."""

    host: str
    port: int
    problem: str

    def __str__(self) -> str:
        return f"cannot listen on {self.host} port {self.port}: {self.problem}. Give another port, or leave it out to take any that is free."


@dataclass(eq=False)
class ServerNotRunning(MtlsError):
    """A server that has not been started, or has been stopped, was asked for something only a running one has."""

    operation: str
    stopped: bool

    def __str__(self) -> str:
        state = "has been stopped" if self.stopped else "has not been started"
        return f"{self.operation} needs a running server, and this one {state}. Use it inside `with server:`."


@dataclass(eq=False)
class ServerNotLaunched(MtlsError):
    """A server under test could not be started as a subprocess, or did not become ready."""

    command: tuple[str, ...]
    problem: str
    output: str

    def __str__(self) -> str:
        said = f"Its output:\n{self.output.rstrip()}" if self.output.strip() else "It printed nothing."
        return f"the server `{' '.join(self.command)}` did not come up: {self.problem}. {said}"


@dataclass(eq=False)
class UnusableKeyLog(MtlsError):
    """The secrets of connections cannot be written to this file."""

    path: str
    problem: str

    def __str__(self) -> str:
        remedy = "Give --mtls-keylog or SSLKEYLOGFILE a file that can be written to."
        return f"cannot write the key log {self.path}: {self.problem}. {remedy}"
