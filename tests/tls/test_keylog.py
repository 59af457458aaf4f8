"""``--mtls-keylog``: from what it writes, tshark decrypts a capture."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests
from support.recording_relay import Relay
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer, probe
from pytest_mtls.errors import UnusableKeyLog
from pytest_mtls.tls.keylog import VARIABLE, start_key_log

Factory = Callable[..., MutualTLSServer]

LINE = re.compile(r"#.*|[A-Z0-9_]+ [0-9a-f]{64} [0-9a-f]+")
TLS_1_3 = {
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "EXPORTER_SECRET",
    "SERVER_TRAFFIC_SECRET_0",
    "CLIENT_TRAFFIC_SECRET_0",
}


@pytest.fixture
def key_log(tmp_path: Path) -> Iterator[Path]:
    """A key log that is in use."""
    path, end = start_key_log(str(tmp_path / "keys.log"))
    yield Path(path)
    end()


def labels(path: Path) -> list[str]:
    """The label of each line; a line that is none of the format fails."""
    lines = path.read_text(encoding="ascii").splitlines()
    assert [] == [line for line in lines if not LINE.fullmatch(line)]
    return [line.partition(" ")[0] for line in lines if not line.startswith("#")]


def decrypted(capture: Path, key_log: Path) -> list[str]:
    """The paths and statuses that tshark sees in a capture, a line a packet."""
    tshark = str(require_program("tshark", apt="tshark"))
    fields = ("http.request.uri", "http.response.code")
    shown = [option for field in fields for option in ("-e", field)]
    command = [
        tshark,
        "-n",
        "-r",
        str(capture),
        "-o",
        f"tls.keylog_file:{key_log}",
        "-Y",
        "http",
        "-T",
        "fields",
        *shown,
    ]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line.strip() for line in finished.stdout.splitlines()]


def test_tshark_decrypts_a_capture(
    mtls_server_factory: Factory,
    mtls_client: requests.Session,
    key_log: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """TLS 1.2 and TLS 1.3 alike, request and answer; but no connection from before the key log was in use."""

    def get(path: str) -> None:
        assert mtls_client.get(f"https://localhost:{relay.port}{path}", headers={"Connection": "close"}).ok

    with Relay() as relay:
        with monkeypatch.context() as off:
            off.delenv(VARIABLE)
            relay.target = mtls_server_factory().address
            get("/unlogged")
        for tls in ("1.3", "1.2"):
            relay.target = mtls_server_factory(tls=tls).address
            get(f"/secret/{tls}")
        relay.write_capture(tmp_path / "capture.pcap")
    assert ["/secret/1.3", "200", "/secret/1.2", "200"] == decrypted(tmp_path / "capture.pcap", key_log)


def test_every_context_of_ours_writes(key_log: Path, mtls_ca: CertificateAuthority) -> None:
    """A server's, a probe's and that of an identity, each of its own."""
    server_cert, client = mtls_ca.issue_server(), mtls_ca.issue_client()
    with MutualTLSServer(cert=server_cert, trust=mtls_ca) as server:
        assert probe(server, client).accepted
    assert TLS_1_3 == set(labels(key_log))
    assert 2 * len(TLS_1_3) == len(labels(key_log))
    assert str(key_log) == client.ssl_context(trust=mtls_ca).keylog_filename
    assert str(key_log) == server_cert.ssl_context(trust=mtls_ca).keylog_filename


def test_off_is_off(mtls_ca: CertificateAuthority, mtls_client_cert: Identity, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable, or with an empty one, no context writes anything."""
    monkeypatch.delenv(VARIABLE, raising=False)
    assert mtls_client_cert.ssl_context(trust=mtls_ca).keylog_filename is None
    monkeypatch.setenv(VARIABLE, "")
    assert mtls_client_cert.ssl_context(trust=mtls_ca).keylog_filename is None


def test_file_that_cannot_be_written(
    mtls_ca: CertificateAuthority, mtls_server_cert: Identity, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One error that names the file, of making it and of using it."""
    path = tmp_path / "missing" / "keys.log"
    with pytest.raises(UnusableKeyLog, match=re.escape(f"cannot write the key log {path}: no such file or directory")):
        start_key_log(str(path))
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(UnusableKeyLog, match="is a directory") as caught:
        MutualTLSServer(cert=mtls_server_cert, trust=mtls_ca)
    assert str(tmp_path) == caught.value.path


@pytest.mark.skipif(os.name == "nt", reason="modes are best effort on Windows")
def test_only_its_owner_reads_it(key_log: Path) -> None:
    """The file is made with mode 0600."""
    assert 0o600 == key_log.stat().st_mode & 0o777


# --- the option ------------------------------------------------------------------------------------------------------

SUITE = """
import os, ssl
import pytest

@pytest.mark.parametrize("number", range(6))
def test_it(number, mtls_server, mtls_client):
    assert mtls_client.get(mtls_server.url).ok

def test_others_write_too():
    assert os.path.isabs(os.environ["SSLKEYLOGFILE"])
    assert ssl.create_default_context().keylog_filename == os.environ["SSLKEYLOGFILE"]
"""


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "2")], ids=["one process", "xdist"])
def test_all_processes_write_to_the_one_file(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    """Workers add to the file of the controller; no line is lost or broken, and what was there before stays."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(SUITE)
    key_log = pytester.path / "keys.log"
    key_log.write_text("# kept\n", encoding="ascii")
    pytester.runpytest_subprocess("-p", "mtls", "--mtls-keylog", "keys.log", *options).assert_outcomes(passed=7)
    assert key_log.read_text(encoding="ascii").startswith("# kept\n")
    seen = labels(key_log)
    assert TLS_1_3 == set(seen)
    assert all(seen.count(label) >= 6 for label in TLS_1_3)


def test_option_with_a_file_that_cannot_be_written(pytester: pytest.Pytester) -> None:
    """The run ends before it begins, with the one error and no traceback."""
    result = pytester.runpytest("--mtls-keylog", "missing/keys.log", "-p", "no:asyncio")
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    text = result.stdout.str() + result.stderr.str()
    assert "cannot write the key log" in text
    assert "no such file or directory" in text
    assert "Traceback" not in text


def test_option_ends_with_the_run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment is as it was before."""
    monkeypatch.setenv(VARIABLE, "before")
    pytester.makepyfile("import os\n\ndef test_it(): assert os.environ['SSLKEYLOGFILE'].endswith('keys.log')")
    pytester.runpytest("--mtls-keylog", "keys.log", "-p", "no:asyncio").assert_outcomes(passed=1)
    assert "before" == os.environ[VARIABLE]
