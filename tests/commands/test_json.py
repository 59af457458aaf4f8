"""What each command prints with `--json` is as its published schema says."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from jsonschema import Draft202012Validator, ValidationError
from support.client_programs import CURL
from support.reports import ROOT, validate
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, CertificateSigningRequest, MutualTLSServer
from pytest_mtls.__main__ import main

SCHEMAS: dict[str, Any] = json.loads((ROOT / "docs/schemas/commands-1.json").read_text(encoding="utf-8"))


def check(name: str, text: str) -> Any:
    """The JSON of a text, which has to be as the definition of this name says."""
    Draft202012Validator.check_schema(SCHEMAS)
    told = json.loads(text)
    Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": SCHEMAS["$defs"]}).validate(told)
    return told


def program(*arguments: str) -> list[str]:
    """The command line of the program."""
    return [sys.executable, "-m", "pytest_mtls", *arguments]


def run_suite(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A conformance run, without other plugins of pytest."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    return subprocess.run(program(*arguments), env=environment, cwd=directory, capture_output=True, text=True)


def test_schema_says_something() -> None:
    """What has a key more or less is not as it says."""
    with pytest.raises(ValidationError, match="Additional properties"):
        check("compare", '{"weaker": false, "changes": [], "more": 1}')
    with pytest.raises(ValidationError, match="required property"):
        check("compare", '{"weaker": false}')


def test_probe(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Accepted, rejected and undecided."""
    client = mtls_ca.issue_client("client")
    files = ["--ca", mtls_ca.cert_path, "--json"]
    assert 0 == main(["probe", mtls_server.url, "--cert", client.cert_path, "--key", client.key_path, *files])
    assert "accepted" == check("probe", capsys.readouterr().out)["verdict"]
    assert 1 == main(["probe", mtls_server.url, *files])
    assert "refused" == check("probe", capsys.readouterr().out)["verdict"]
    assert 2 == main(["probe", "localhost:1", *files])
    assert "undecided" == check("probe", capsys.readouterr().out)["verdict"]


def test_inspect(mtls_ca: CertificateAuthority, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Everything that can be in a file, and what is wrong with it."""
    server = mtls_ca.issue_server("localhost")
    (tmp_path / "a.pem").write_bytes(
        server.cert_pem
        + server.key_pem
        + CertificateSigningRequest.create("alice", sans=["alice.example"]).pem
        + mtls_ca.crl_pems()[0]
        + mtls_ca.pem
        + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    )
    assert 1 == main(["inspect", str(tmp_path / "a.pem"), "--json"])
    told = check("inspect", capsys.readouterr().out)
    kinds = {one["kind"] for one in told["found"]}
    assert {"certificate", "private key", "certificate signing request", "certificate revocation list"} <= kinds
    assert any("problem" in one for one in told["found"])
    assert any(one["rejections"] for one in told["assessments"])


def test_compare(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Each kind of change, and none."""
    check_of = {"case": "expired", "tls": "1.3", "theme": "path", "expected": "refused", "outcome": "conforms"}
    for name, seen in (("old", "refused"), ("new", "accepted")):
        document = {"format": 2, "results": [{**check_of, "seen": seen}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(document), encoding="utf-8")
    old, new = str(tmp_path / "old.json"), str(tmp_path / "new.json")
    assert 1 == main(["compare", old, new, "--json"])
    told = check("compare", capsys.readouterr().out)
    changes = [{"kind": "weaker", "text": "expired over TLS 1.3: refused -> accepted"}]
    assert {"weaker": True, "changes": changes} == told
    assert 0 == main(["compare", old, old, "--json"])
    assert {"weaker": False, "changes": []} == check("compare", capsys.readouterr().out)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_serve() -> None:
    """The first line, a rejection, and a request over an accepted handshake."""
    with subprocess.Popen(program("serve", "--port", "0", "--json"), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            told = check("serve-start", process.stdout.readline())
            (good,) = [one for one in told["servers"] if one["id"] == "good"]
            url = f"https://localhost:{good['port']}/"
            requests.get(url, verify=told["ca"], cert=(told["cert"], told["key"]), timeout=60)
            assert "accepted" == check("serve", process.stdout.readline())["verdict"]
            with pytest.raises(requests.RequestException):
                requests.get(url, cert=(told["cert"], told["key"]), timeout=60)
            assert "client" == check("serve", process.stdout.readline())["rejected_by"]
        finally:
            process.send_signal(signal.SIGTERM)


def test_mint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every file that is told of is there, and every one that is there belongs to what is told."""
    directory = tmp_path / "certs"
    assert 0 == main(["mint", str(directory), "--json"])
    told = check("mint", capsys.readouterr().out)
    peers = [told["server"], told["client"], *told["cases"]]
    files = {told["ca"], told["crl"], *(one[name] for one in peers for name in ("cert", "key", "pem"))}
    there = {str(path) for path in directory.rglob("*") if path.suffix in (".crt", ".key", ".pem")}
    assert {str(directory / "ca.key")} == there - files
    assert files <= there
    assert {"client", "server"} == {one["side"] for one in told["cases"] if one["id"] == "expired"}


def test_check_server(tmp_path: Path, mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """It prints the report alone; what pytest says is on the error stream."""
    mtls_ca.write_to(tmp_path / "certs", name="ca")
    done = run_suite(
        tmp_path, "check-server", mtls_server.url, "--ca", str(tmp_path / "certs"), "--json", "-k", "client[expired-tls"
    )
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    validate(told)
    assert ["expired", "expired"] == [one["case"] for one in told["results"]]
    assert "2 checks: 2 as expected" in done.stderr


def test_check_client(tmp_path: Path) -> None:
    """The same for a client, named checks included; a mistake prints no JSON."""
    require_program("curl", apt="curl")
    chosen = ["-k", "server[expired-tls or no-older-version or session-of-another"]
    done = run_suite(tmp_path, "check-client", "--json", *chosen, "--", *CURL)
    assert 0 == done.returncode, done.stderr
    told = json.loads(done.stdout)
    validate(told)
    names = ["expired", "expired", "check[no-older-version]", "check[session-of-another-certificate]"]
    assert names == [one["case"] for one in told["results"]]
    assert ["no older one", "new session"] == [one["seen"] for one in told["results"][-2:]]
    done = run_suite(tmp_path, "check-client", "--json", "--", "no-such-program", "{url}")
    assert (2, "") == (done.returncode, done.stdout)
