"""`pytest-mtls probe`: what it tells of a handshake, and its exit status."""

from __future__ import annotations

import datetime
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer
from pytest_mtls.__main__ import main


def probe(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Exit status, output and error output of the command."""
    status = main(["probe", *arguments])
    return status, *capsys.readouterr()


@pytest.fixture(name="files")
def fixture_files(mtls_ca: CertificateAuthority, mtls_client_cert: Identity) -> list[str]:
    """The options that name a good client, and the CA that the server comes from."""
    return ["--cert", mtls_client_cert.cert_path, "--key", mtls_client_cert.key_path, "--ca", mtls_ca.cert_path]


def test_accepted(mtls_server: MutualTLSServer, files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A good client is accepted: status 0, both chains, the parameters and all messages."""
    status, out, err = probe(capsys, mtls_server.url, *files)
    lines = [line.strip() for line in out.splitlines()]
    assert (0, "") == (status, err)
    assert "verdict: accepted by both sides" in lines
    assert any(line.startswith("0: CN=client; ") for line in lines[lines.index("the client presented:") :])
    assert any("names DNS:localhost" in line for line in lines[lines.index("the server presented:") :])
    assert lines.index("client: ClientHello") < lines.index("server: CertificateRequest")
    assert not [line for line in lines if line.startswith(("likely cause", "note:"))]


def test_rejected_by_the_server(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    """An expired client is rejected: status 1, the field that is wrong is marked, and there is a remedy."""
    expired = mtls_ca.issue_client("late", not_before=-10, not_after=-1)
    status, out, err = probe(capsys, mtls_server.url, "--cert", expired.combined_path, "--ca", mtls_ca.cert_path)
    assert (1, "") == (status, err)
    assert "verdict: rejected by the server: expired, as its alert says\n" in out
    assert "alert: certificate_expired (45), sent by the server\n" in out
    assert "UTC: expired 1 day ago\n" in out
    assert "likely cause: the certificate was not renewed in time, or a clock is wrong.\n" in out


def test_rejected_by_the_client(mtls_server: MutualTLSServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Without --ca the system's CAs judge the server, which the output says."""
    status, out, _ = probe(capsys, mtls_server.url)
    assert 1 == status
    assert "verdict: rejected by the client: unknown CA\n" in out
    assert "note: the server's certificate was judged by the system's CAs; give its own as --ca FILE\n" in out


@pytest.mark.parametrize(
    ("client_certs", "with_client", "note"),
    [
        ("none", True, "the server asked for no client certificate, so that yours was not sent"),
        ("none", False, "the server asked for no client certificate: this is not mutual TLS"),
        ("optional", False, "the server asked for a client certificate, and accepted a client without one"),
    ],
)
def test_accepted_without_a_client_certificate(
    client_certs: str,
    with_client: bool,
    note: str,
    mtls_server_factory: object,
    mtls_ca: CertificateAuthority,
    files: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """An acceptance that proves nothing of the client is told as such."""
    assert callable(mtls_server_factory)
    server = mtls_server_factory(client_certs=client_certs)
    status, out, _ = probe(capsys, server.url, *(files if with_client else ["--ca", mtls_ca.cert_path]))
    assert 0 == status
    assert f"  note: {note}\n" in out


def test_json(mtls_server: MutualTLSServer, files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` has the same for programs, of the TLS version that is asked for."""
    status, out, _ = probe(capsys, mtls_server.url, *files, "--json", "--tls", "1.2")
    told = json.loads(out)
    assert 0 == status
    assert ("accepted", "TLSv1.2", "HTTP 200") == (told["verdict"], told["tls_version"], told["answer"])
    assert "CN=client" == told["client_chain"][0]["subject"]
    assert "client: ClientHello" == told["messages"][0]


def test_json_of_a_rejection(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--json` of a rejection has who, why and by which alert."""
    status, out, _ = probe(capsys, mtls_server.url, "--ca", mtls_ca.cert_path, "--json")
    told = json.loads(out)
    assert 1 == status
    assert ("refused", "server", "no_certificate") == (told["verdict"], told["rejected_by"], told["reason"])
    assert {"name": "certificate_required", "number": 116} == told["alert"]


def test_host_and_port_alone(
    mtls_server: MutualTLSServer, files: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """`host:port` is a handshake in which nothing else is said."""
    status, out, _ = probe(capsys, f"localhost:{mtls_server.port}", *files, "--json")
    assert (0, None) == (status, json.loads(out)["answer"])


def test_directory_of_mint_as_ca(
    mtls_server: MutualTLSServer, files: list[str], mtls_ca: CertificateAuthority, tmp_path: Path
) -> None:
    """`--ca` takes a directory as mint writes it."""
    (tmp_path / "ca.crt").write_bytes(mtls_ca.pem)
    assert 0 == main(["probe", mtls_server.url, *files[:-1], str(tmp_path)])


def test_undecided(capsys: pytest.CaptureFixture[str]) -> None:
    """A server that takes the connection and says nothing is undecided: status 2, with all that was seen."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        status, out, err = probe(capsys, f"127.0.0.1:{silent.getsockname()[1]}", "--timeout", "0.3")
    assert (2, "") == (status, err)
    assert "verdict: undecided: " in out
    assert "client: ClientHello" in out


def test_dead_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    """Where nobody listens, one line says so, with status 2."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are rejected
        port = unused.getsockname()[1]
        status, out, err = probe(capsys, f"https://127.0.0.1:{port}")
    assert (2, "", 1) == (status, out, err.count("\n"))
    assert err.startswith(f"pytest-mtls: cannot connect to 127.0.0.1:{port}: ")


def test_mistakes(
    mtls_ca: CertificateAuthority,
    mtls_client_cert: Identity,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each mistake is one line that names the option and the remedy, with status 2, before anything is connected to."""
    locked = mtls_client_cert.write_to(tmp_path, password="right")
    (tmp_path / "text.txt").write_text("hello")
    (tmp_path / "password").write_text("wrong\n")
    monkeypatch.setenv("SECRET", "wrong")
    other = mtls_ca.issue_client("other")
    cert = mtls_client_cert.cert_path
    for arguments, said in [
        (["foo://localhost:1"], "protocol 'foo' is unknown"),
        (["https://"], "it is not a URL with a host"),
        (["localhost"], "tls has no port of its own"),
        (["http://localhost:1"], "Give one such as https://localhost:8443, or localhost:8443 for TLS only."),
        (["nobody.invalid:1"], "No resolver knows this host: is its name right?"),
        (["--cert", "absent.pem"], "--cert: cannot read a certificate from absent.pem: no such file or directory."),
        (["--cert", str(tmp_path / "text.txt")], "it is neither PEM nor DER"),
        (["--cert", cert], "holds no private key. Give the file of the key: --key FILE"),
        (["--key", other.key_path], "--key: a private key without its certificate is presented to nobody."),
        (["--cert", cert, "--key", other.key_path], "not that of the certificate of CN=client"),
        (["--cert", cert, "--key", locked.key], f"--key: {locked.key} is encrypted. Give its password: --password "),
        (["--cert", cert, "--key", locked.key, "--password", "pass:wrong"], "--key: the password does not open "),
        (["--cert", cert, "--key", locked.key, "--password", "env:SECRET"], "--key: the password does not open "),
        (["--cert", cert, "--key", locked.key, "--password", "env:ABSENT"], "no environment variable ABSENT"),
        (["--cert", cert, "--key", locked.key, "--password", "file:absent"], "--password: cannot read absent: no such"),
        (["--cert", cert, "--key", locked.key, "--password", "right"], "must be pass:TEXT, env:NAME or file:PATH"),
        (["--ca", cert], "--ca: the certificate of CN=client is not a CA's"),
        (["--ca", "absent"], "--ca: cannot read a certificate from absent"),
        (["--timeout", "-1"], "--timeout: -1 is not a number of seconds above 0"),
        (["--server-name", "a" * 70], "server_name is "),
    ]:
        url = [] if "--" not in arguments[0] else ["https://localhost:1"]
        status, out, err = probe(capsys, *url, *arguments)
        assert (2, "", 1, True) == (status, out, err.count("\n"), err.startswith("pytest-mtls: ")), err
        assert said in err


@pytest.mark.parametrize("form", ["pass:right", "env:SECRET", "file:{}"])
def test_password(
    form: str,
    mtls_server: MutualTLSServer,
    mtls_ca: CertificateAuthority,
    mtls_client_cert: Identity,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A key that is encrypted opens by a password in each of openssl's forms."""
    locked = mtls_client_cert.write_to(tmp_path, password="right")
    (tmp_path / "password").write_text("right\n")
    monkeypatch.setenv("SECRET", "right")
    password = form.format(tmp_path / "password")
    arguments = ["--cert", locked.cert, "--key", locked.key, "--password", password, "--ca", mtls_ca.cert_path]
    assert 0 == main(["probe", mtls_server.url, *arguments])
    assert locked.pkcs12 is not None
    assert 0 == main(
        ["probe", mtls_server.url, "--cert", locked.pkcs12, "--password", password, "--ca", mtls_ca.cert_path]
    )


def test_what_a_peer_says_steers_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Control characters in a server's certificate are printed as escapes."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "\x1b[2Jred\u202e\nverdict: accepted")])
    now = datetime.datetime.now(datetime.timezone.utc)
    hour = datetime.timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1)
        .not_valid_before(now - hour)
        .not_valid_after(now + hour)
        .sign(key, hashes.SHA256())
    )
    with MutualTLSServer(cert=Identity((certificate,), key), client_certs="none") as server:
        status, out, _ = probe(capsys, server.url)
    assert 1 == status
    assert "0: CN=\\x1b[2Jred\\u202e\\nverdict: accepted; " in out
    assert "\x1b" not in out


def test_keys_are_never_told(mtls_server: MutualTLSServer, files: list[str]) -> None:
    """The private key is in no output, as text or as JSON."""
    key = Path(files[3]).read_text(encoding="ascii").splitlines()[1]
    for form in ([], ["--json"]):
        command = [sys.executable, "-m", "pytest_mtls", "probe", mtls_server.url, *files, *form]
        done = subprocess.run(command, capture_output=True, text=True)
        assert 0 == done.returncode
        assert key not in done.stdout + done.stderr
