"""curl's arguments, and each environment variable tried on the program that reads it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from support.client_rows import People
from support.requirements import require_program

from pytest_mtls import MutualTLSServer, Reason, clients

#: The program that reads a variable, when it is all that is known of whom to trust.
READERS: Mapping[str, Sequence[str]] = {
    "SSL_CERT_FILE": [sys.executable, "-c", "import sys, urllib.request as r; r.urlopen(sys.argv[1])"],
    "REQUESTS_CA_BUNDLE": [sys.executable, "-c", "import sys, requests; requests.get(sys.argv[1]).json()"],
    "CURL_CA_BUNDLE": ["curl", "-sS"],
    "NODE_EXTRA_CA_CERTS": ["node", "-e", "fetch(process.argv[1]).catch(() => process.exit(1))"],
}


def run(command: Sequence[str | Path], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program with these variables alone, besides the path."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.devnull, "LC_ALL": "C", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("variable", READERS)
def test_variable_tells_whom_to_trust(people: People, variable: str) -> None:
    """The program accepts our server by this variable alone, and rejects it without."""
    require_program("curl", apt="curl"), require_program("node", apt="nodejs")
    given = clients.environment(people.alice, people.ca)
    with MutualTLSServer(cert=people.server, trust=people.ca, client_certs="none") as server:
        with server.expect_accepted():
            finished = run([*READERS[variable], server.url], {variable: given[variable]})
        assert 0 == finished.returncode, finished.stderr
        with server.expect_rejected(by="client"):
            finished = run([*READERS[variable], server.url], {})
        assert 0 != finished.returncode


def test_git_presents_the_certificate(people: People) -> None:
    """git takes whom it trusts, its certificate and its key from its variables; without an identity it has none."""
    ls_remote: list[str | Path] = [require_program("git", apt="git"), "ls-remote"]
    with MutualTLSServer(cert=people.server, trust=people.ca) as server:
        for client, expectation in (
            (people.alice, server.expect_accepted(people.alice)),
            (people.expired, server.expect_rejected(Reason.EXPIRED)),
            (None, server.expect_rejected(Reason.NO_CERTIFICATE)),
        ):
            given = clients.environment(client, people.ca)
            with expectation:
                run([*ls_remote, server.url], {name: value for name, value in given.items() if name.startswith("GIT")})


def test_psql_presents_the_certificate(people: People, postgresql: int) -> None:
    """psql gets in with the variables alone, and not without an identity, or without a valid one."""
    psql = require_program("psql", apt="postgresql")
    query = "SELECT client_serial FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    command: list[str | Path] = [psql, "-h", "localhost", "-p", str(postgresql), "-U", "postgres", "-Atc", query]

    finished = run(command, clients.environment(people.alice, people.ca))
    assert f"{people.alice.serial_number}\n" == finished.stdout, finished.stderr
    assert "certificate expired" in run(command, clients.environment(people.expired, people.ca)).stderr
    assert "requires a valid client certificate" in run(command, clients.environment(None, people.ca)).stderr


def test_curl_takes_the_words(people: People) -> None:
    """`curl` gives the words that follow the program's name."""
    curl = require_program("curl", apt="curl")
    with MutualTLSServer(cert=people.server, trust=people.ca) as server:
        with server.expect_accepted(people.alice):
            finished = run([curl, "-sS", *clients.curl(people.alice, people.ca), server.url], {})
        assert "CN=alice" in finished.stdout
        with server.expect_rejected(Reason.NO_CERTIFICATE):
            run([curl, "-sS", *clients.curl(None, people.ca), server.url], {})
