"""TLS stacks that are not Python's, as judges of what `mint` wrote: each one process, or one a handshake where it must be."""

from __future__ import annotations

import re
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from support.requirements import require_program

from pytest_mtls import Case, CertificateAuthority, Handshake, Identity, MutualTLSServer, probe
from pytest_mtls.cases.mint import MintedCase
from pytest_mtls.cases.presentation import Presentation
from pytest_mtls.tls.transcript import was_sent
from pytest_mtls.tls.wire import Deadline

__all__ = ["STACKS", "Minted", "Verdict", "Verdicts"]

PROGRAMS = Path(__file__).parent / "programs"


@dataclass(frozen=True)
class Verdict:
    """What a stack made of a case.

    Attributes:
        accepted: its verdict; None where the case could not be presented to it.
        said: its own words, where it rejected.
    """

    accepted: bool | None
    said: str = ""

    @classmethod
    def of(cls, line: str) -> Verdict:
        """Read ``accepted``, or ``refused`` and why."""
        word, _, why = line.strip().partition(" ")
        assert word in ("accepted", "refused"), line
        return cls(word == "accepted", why)


NOT_PRESENTED = Verdict(None)

#: Side -> case id -> verdict.
Verdicts = dict[str, dict[str, Verdict]]


@dataclass(frozen=True)
class Minted:
    """What was minted, and where.

    Attributes:
        directory: where the files are.
        ca: the CA.
        cases: all cases that have files.
    """

    directory: Path
    ca: CertificateAuthority
    cases: Sequence[MintedCase]

    def of(self, side: str) -> list[tuple[Case, Identity]]:
        """The cases of one side, with what they present.

        Those are left out that may be over before a stack has seen them, and those that are about a stapled OCSP answer.
        """
        return [
            (m.case, m.identity)
            for m in self.cases
            if m.case.side == side and m.identity is not None and m.case.id != "expires-in-a-minute" and not m.ocsp
        ]


@contextmanager
def running(command: Sequence[str | Path]) -> Iterator[subprocess.Popen[str]]:
    """A program that is told what to do on its standard input, ended with the block."""
    program = subprocess.Popen(
        list(map(str, command)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    )
    with program:
        try:
            yield program
        finally:
            program.kill()


# --- stacks that are told on standard input --------------------------------------------------------------------------


def _ask(program: subprocess.Popen[str], command: str) -> str:
    assert program.stdin is not None
    program.stdin.write(command + "\n")
    program.stdin.flush()
    return _line(program)


def _line(program: subprocess.Popen[str]) -> str:
    assert program.stdout is not None
    return program.stdout.readline()


def _judge_both(command: Sequence[str | Path], minted: Minted) -> Verdicts:
    """Every client and every server before one program."""
    with running(command) as program:
        port = int(_ask(program, f"serve {len(minted.of('client'))}").removeprefix("port "))
        clients = {}
        for case, identity in minted.of("client"):
            seen = probe(("127.0.0.1", port), presented(case, identity), trust=minted.ca.certificate)
            verdict = Verdict.of(_line(program))
            clients[case.id] = NOT_PRESENTED if withheld(seen) else verdict
        servers = _each_server(minted, lambda port, host: Verdict.of(_ask(program, f"connect {port} {host}")))
    return {"client": clients, "server": servers}


def _each_server(minted: Minted, judge: Callable[[int, str], Verdict]) -> dict[str, Verdict]:
    """What a client makes of each server, all of them played by one of ours."""
    verdicts = {}
    with MutualTLSServer(cert=minted.ca.issue_server(), trust=minted.ca.certificate) as server:
        for case, identity in minted.of("server"):
            server.reload(cert=presented(case, identity))
            bookmark = server.bookmark()
            verdict = judge(server.port, case.host)
            gave_up = any(seen.rejected_by == "server" for seen in server.handshakes_since(bookmark))
            verdicts[case.id] = NOT_PRESENTED if gave_up else verdict
    return verdicts


def presented(case: Case, identity: Identity) -> Presentation:
    """What our side presents, however weak."""
    return Presentation(identity, case.tls, is_weak=True)


def withheld(seen: Handshake) -> bool:
    """Whether our client sent an empty list, since its key fits nothing that the server takes."""
    return was_sent(seen.transcript, "client", "Certificate") and not seen.sent_chain_der


def java(minted: Minted) -> Verdicts:
    """JSSE, as server and as client."""
    program = require_program("java", apt="openjdk-17-jdk-headless")
    require_program("javac", apt="openjdk-17-jdk-headless")
    return _judge_both(
        [program, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", PROGRAMS / "Judge.java", minted.directory], minted
    )


def node(minted: Minted) -> Verdicts:
    """Node's tls, as server and as client."""
    return _judge_both([require_program("node", apt="nodejs"), PROGRAMS / "judge.js", minted.directory], minted)


# --- GnuTLS ----------------------------------------------------------------------------------------------------------


def _gnutls_options(minted: Minted, identity: str, crl: str) -> list[str]:
    names = {"cafile": "ca.crt", "crlfile": crl, "certfile": f"{identity}.crt", "keyfile": f"{identity}.key"}
    return [f"--x509{option}={minted.directory / name}" for option, name in names.items()]


def _gnutls_judges_clients(minted: Minted) -> dict[str, Verdict]:
    """``gnutls-serv``, which says of itself why it rejected."""
    program, stdbuf = require_program("gnutls-serv", apt="gnutls-bin"), require_program("stdbuf", apt="coreutils")
    options = [
        *_gnutls_options(minted, "server", "ca.crl.pem"),
        "--require-client-cert",
        "--verify-client-cert",
        "--echo",
    ]
    accepted: dict[str, bool | None] = {}
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
        command = [str(stdbuf), "-oL", "-eL", str(program), "--port", str(free_port()), *options]
        serving = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            port = _wait_until_listening(serving, int(command[5]))
            for case, identity in minted.of("client"):
                seen = probe(("127.0.0.1", port), presented(case, identity), trust=minted.ca.certificate)
                assert seen.accepted is not None, (case.id, seen.error)
                accepted[case.id] = None if withheld(seen) else seen.accepted
        finally:
            serving.kill()
            serving.wait()
        log.seek(0)
        _, *connections = log.read().split("* Accepted connection ")
    said = [_gnutls_complaint(text) for text in connections[-len(accepted) :]]
    return {
        id: NOT_PRESENTED if ok is None else Verdict(ok, "" if ok else why)
        for (id, ok), why in zip(accepted.items(), said, strict=True)
    }


def _wait_until_listening(serving: subprocess.Popen[bytes], port: int) -> int:
    """The port, as soon as the program listens there.

    Raises:
        AssertionError: it ended, or did not listen in time.
    """
    deadline = Deadline(20)
    while serving.poll() is None and deadline.remaining:
        try:
            socket.create_connection(("127.0.0.1", port), deadline.remaining).close()
        except ConnectionRefusedError:
            with suppress(subprocess.TimeoutExpired):
                serving.wait(0.02)
        else:
            return port
    raise AssertionError(f"gnutls-serv does not listen: {serving.returncode}")


def _gnutls_complaint(text: str) -> str:
    found = re.search(r"Status: (The certificate is NOT .*)|(?:Error in handshake|\*\*\*|Error): (.*)", text)
    return (found[1] or found[2]).strip() if found else ""


def _gnutls_judges_servers(minted: Minted) -> dict[str, Verdict]:
    """``gnutls-cli``, once for each."""
    program = require_program("gnutls-cli", apt="gnutls-bin")
    own = minted.directory.parent / "own.crl.pem"  # it takes no CRL that a trusted CA has not signed itself
    own.write_bytes(minted.ca.crl_pems()[0])

    def judge(port: int, host: str) -> Verdict:
        names = [f"--sni-hostname={host}"] if not host[0].isdigit() else ["--disable-sni"]
        command = [str(program), *_gnutls_options(minted, "client", f"../{own.name}"), f"--port={port}", *names]
        command += [f"--verify-hostname={host}", "127.0.0.1"]
        done = _run(command)
        return Verdict(done.returncode == 0, _gnutls_complaint(done.stdout) if done.returncode else "")

    return _each_server(minted, judge)


def gnutls(minted: Minted) -> Verdicts:
    """GnuTLS's own programs."""
    return {"client": _gnutls_judges_clients(minted), "server": _gnutls_judges_servers(minted)}


# --- curl ------------------------------------------------------------------------------------------------------------


def curl(minted: Minted) -> Verdicts:
    """``curl``, once for each server; it is not a server itself."""
    program = require_program("curl", apt="curl")
    directory = minted.directory
    files = ["--cacert", directory / "ca.crt", "--crlfile", directory / "ca.crl.pem"]
    files += ["--cert", directory / "client.crt", "--key", directory / "client.key"]

    def judge(port: int, host: str) -> Verdict:
        command = [program, "-sS", "-o", "/dev/null", "--max-time", "5", *files, "--noproxy", "*"]
        command += ["--resolve", f"{host}:{port}:127.0.0.1", f"https://{host}:{port}/"]
        done = _run(list(map(str, command)))
        return Verdict(done.returncode == 0, done.stdout.partition("\n")[0].partition(") ")[2])

    return {"server": _each_server(minted, judge)}


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=20,
        check=False,
    )


def free_port() -> int:
    """A port that nobody listens on, for a program that cannot choose one itself."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


#: Stack -> what it makes of all cases that it can judge.
STACKS: Mapping[str, Callable[[Minted], Verdicts]] = {"GnuTLS": gnutls, "Java": java, "Node": node, "curl": curl}
