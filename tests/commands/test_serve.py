"""`pytest-mtls serve`: a program that runs until interrupted, tells what comes in, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_mtls import CertificateAuthority, Endpoint, Identity, MutualTLSServer, probe
from pytest_mtls.commands.main import main

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


@contextmanager
def serving(*arguments: str, end: int = signal.SIGINT, environment: Any = None) -> Iterator[subprocess.Popen[str]]:
    """The program, until the block ends; then it has to end with status 130 for Ctrl-C, else with 0."""
    with subprocess.Popen(
        [sys.executable, "-m", "pytest_mtls", "serve", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(end)
            _, errors = process.communicate(timeout=60)
    assert (130 if end == signal.SIGINT else 0, "") == (process.returncode, errors)


def first_line(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What it says first, with --json."""
    assert process.stdout is not None
    told: dict[str, Any] = json.loads(process.stdout.readline())
    return told


@posix_only
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_a_directory_of_its_own(tmp_path: Path, end: int) -> None:
    """Without a directory, files are where it says, and gone afterwards."""
    with serving("--json", end=end, environment={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        told = first_line(process)
        ca, client = CertificateAuthority.load(told["ca"]), Identity.load(told["cert"], told["key"])
        where = {one["id"]: one for one in told["servers"]}
        assert told["index"] == f"http://localhost:{where['expired']['port']}/"
        page = requests.get(told["index"], timeout=30)
        assert ("text/html; charset=utf-8", True) == (page.headers["Content-Type"], "expired.localhost" in page.text)
        expired = Endpoint("localhost", where["expired"]["port"], server_name="expired.localhost", trust=ca)
        probe(expired, client)
        assert process.stdout is not None
        row = json.loads(process.stdout.readline())
        assert ("expired", "client", "expired", "certificate_expired") == (
            row["server"],
            row["rejected_by"],
            row["reason"],
            row["alert"],
        )
        good = requests.get(
            f"https://localhost:{where['good']['port']}/",
            verify=told["ca"],
            cert=(told["cert"], told["key"]),
            headers={"Accept": "text/html"},
            timeout=30,
        )
        assert page.text == good.text
        row = json.loads(process.stdout.readline())
        assert ("good", "CN=client", "accepted") == (row["server"], row["client"], row["verdict"])
    assert [] == list(tmp_path.iterdir())


@pytest.mark.slow
@posix_only
def test_a_directory_that_stays(tmp_path: Path) -> None:
    """The CA of a directory is kept from one time to the next, and words for people are told."""
    directory = tmp_path / "certs"
    with serving(str(directory)) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(4)]
        assert ("servers: http://localhost:" in lines[0], f"CA to trust: {directory / 'ca.crt'}\n") == (True, lines[1])
        assert "Ctrl-C ends it. What comes in:\n" == lines[3]
    ca = (directory / "ca.crt").read_bytes()
    with serving(str(directory), "--json", "--ports") as process:
        told = first_line(process)
        assert len({one["port"] for one in told["servers"]}) == len(told["servers"])
        assert "https://localhost:" in next(one["url"] for one in told["servers"] if one["id"] == "expired")
    assert ca == (directory / "ca.crt").read_bytes()


def test_mistakes(tmp_path: Path, mtls_server: MutualTLSServer, capsys: pytest.CaptureFixture[str]) -> None:
    """A port in use and a directory of somebody else's are each told in one line."""
    (tmp_path / "mine.txt").write_text("mine")
    for arguments, problem in (
        (["--port", str(mtls_server.port)], f"port {mtls_server.port}: address already in use"),
        ([str(tmp_path), "--port", "0"], "it holds files that are not of an earlier mint"),
        (["--port", "70000"], "port is 70000"),
        (["--days", "-1", "--port", "0"], "days is -1"),
    ):
        status, said = main(["serve", *arguments]), capsys.readouterr().err
        assert (2, 1, True) == (status, len(said.splitlines()), problem in said), said
