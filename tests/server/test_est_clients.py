"""`ESTServer`, asked by Bouncy Castle's EST client, which Debian packages and others build on."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from cryptography import x509
from support.programs_built import PROGRAMS
from support.requirements import require_file, require_program

from pytest_mtls import CertificateAuthority, ESTServer

JAVA = Path("/usr/share/java")
#: What Bouncy Castle needs of itself.
ARCHIVES = [JAVA / f"{name}.jar" for name in ("bcprov", "bcutil", "bcpkix")]

#: A line for the client gives the line that it answers.
Ask = Callable[[str], str]
Client = Callable[[ESTServer, CertificateAuthority], Ask]

ENROLL = "enroll alice alice secret"
#: What Bouncy Castle says of each hostile answer to `ENROLL`; empty where it takes what it gets.
HOSTILE = {
    "content type": "",
    "expired": "",
    "for another key": "the certificate is for another key",  # which the test's own client says
    "html": "Stream closed before limit fully read",
    "huge": "Content length longer than absolute read limit",
    "of another issuer": "",
    "truncated": "object truncated",
}


@pytest.fixture
def client() -> Iterator[Client]:
    """``client(est, ca)``: a process of the client, which ends with the test."""
    program = require_program("java", apt="openjdk-17-jdk-headless")
    require_program("javac", apt="openjdk-17-jdk-headless")
    require_file(ARCHIVES[-1], apt="libbcpkix-java")
    with ExitStack() as running:

        def start(est: ESTServer, ca: CertificateAuthority) -> Ask:
            classes = ["-cp", ":".join(map(str, ARCHIVES))]
            command = [str(program), *classes, str(PROGRAMS / "Enroll.java"), f"localhost:{est.port}", ca.cert_path]
            pipe = subprocess.PIPE
            process = running.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True))
            assert process.stdin is not None
            running.callback(process.stdin.close)

            def ask(line: str) -> str:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(line + "\n")
                process.stdin.flush()
                return process.stdout.readline().strip()

            return ask

        yield start


def certificates(answer: str) -> list[x509.Certificate]:
    """The certificates that the client got."""
    status, *found = answer.split()
    assert "ok" == status, answer
    return [x509.load_der_x509_certificate(bytes.fromhex(one)) for one in found]


def test_the_whole_way(client: Client, mtls_ca: CertificateAuthority) -> None:
    """CA certificates, attributes, a first certificate by password, its renewal with the same key and with a new one."""
    with ESTServer(mtls_ca, users={"alice": "secret"}, csr_attributes=["1.2.840.113549.1.9.7"]) as est:
        ask = client(est, mtls_ca)
        assert [mtls_ca.certificate] == certificates(ask("cacerts"))
        assert "ok [1.2.840.113549.1.9.7]" == ask("attributes")
        assert "HTTP Status Code: 401" in ask("enroll alice alice wrong")
        (first,) = certificates(ask(ENROLL))
        (second,) = certificates(ask("reenroll alice same"))
        assert (first.subject, first.public_key()) == (second.subject, second.public_key())
        assert first.serial_number != second.serial_number
        (third,) = certificates(ask("reenroll alice new"))
        assert (second.subject, False) == (third.subject, second.public_key() == third.public_key())
        assert "HTTP Status Code: 403" in ask("reenroll bob new")
        assert [first, second, third] == [one.certificate for one in est.issued]
        asked = [(one.operation, int(one.status), one.user, one.client) for one in est.requests[2:]]
    assert [
        ("simpleenroll", 401, None, None),
        ("simpleenroll", 401, None, None),  # again, with the wrong password
        ("simpleenroll", 401, None, None),
        ("simpleenroll", 200, "alice", None),
        ("simplereenroll", 200, None, "CN=alice"),
        ("simplereenroll", 200, None, "CN=alice"),
        ("simplereenroll", 403, None, "CN=alice"),
    ] == asked


def test_put_off_and_hostile_answers(client: Client, mtls_ca: CertificateAuthority) -> None:
    """It waits as long as it is told, and sees through some of the hostile answers."""
    with ESTServer(mtls_ca, users={"alice": "secret"}, pending=1, retry_after=60) as est:
        status, milliseconds = client(est, mtls_ca)(ENROLL).split()
        assert ("wait", True) == (status, 0 < int(milliseconds) <= 60_000)
    with ESTServer(mtls_ca, users={"alice": "secret"}) as est:
        ask = client(est, mtls_ca)
        for misbehaviour, problem in HOSTILE.items():
            est.misbehaviour = misbehaviour  # type: ignore[assignment]
            said = ask(ENROLL)
            assert problem in said
            assert ("ok" if not problem else "error") == said.split()[0]
