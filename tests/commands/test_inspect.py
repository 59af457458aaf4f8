"""`pytest-mtls inspect`: files as people have them, made with openssl, keytool and certutil, each read or rejected rightly."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Identity
from pytest_mtls.__main__ import main

Told = Callable[..., "tuple[int, str, str]"]


@pytest.fixture(name="inspect")
def fixture_inspect(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Told:
    """Exit status, output and error output of the command, run in the directory of the test."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        status = main(["inspect", *arguments])
        return status, *capsys.readouterr()

    return run


@pytest.fixture(name="middle")
def fixture_middle(mtls_ca: CertificateAuthority) -> CertificateAuthority:
    """A CA below the root."""
    return mtls_ca.intermediate("middle")


@pytest.fixture(name="server")
def fixture_server(middle: CertificateAuthority, tmp_path: Path) -> Identity:
    """A server of an intermediate CA, written as server.crt and server.key, with ca.crt."""
    server = middle.issue_server("localhost")
    (tmp_path / "server.crt").write_bytes(server.cert_pem)
    (tmp_path / "server.key").write_bytes(server.key_pem)
    (tmp_path / "leaf.crt").write_bytes(blocks(server.cert_pem)[0])
    (tmp_path / "middle.crt").write_bytes(blocks(server.cert_pem)[1])
    assert server.root is not None
    (tmp_path / "ca.crt").write_bytes(middle.parent.pem if middle.parent is not None else b"")
    return server


def blocks(pem: bytes) -> list[bytes]:
    """The blocks of PEM one by one."""
    return [b"-----BEGIN" + one for one in pem.split(b"-----BEGIN")[1:]]


def openssl(directory: Path, *arguments: str) -> None:
    """Run openssl in a directory."""
    program = require_program("openssl", apt="openssl")
    subprocess.run([program, *arguments], cwd=directory, check=True, capture_output=True)


def keytool(directory: Path, *arguments: str) -> None:
    """Run Java's keytool in a directory."""
    program = require_program("keytool", apt="openjdk-17-jre-headless")
    subprocess.run([program, *arguments], cwd=directory, check=True, capture_output=True)


# --- what belongs together -------------------------------------------------------------------------------------------


def test_server_with_its_key_and_ca(inspect: Told, server: Identity) -> None:
    """A chain, its key and its root: the tree, what belongs together, and both roles; nothing is wrong with it."""
    status, out, err = inspect("server.crt", "server.key", "ca.crt", "--as", "server", "--name", "localhost")
    assert (0, "") == (status, err)
    lines = out.splitlines()
    assert "server.crt: PEM, 2 things" in lines
    assert "  1 certificate CN=localhost" in lines
    assert "  private key P-256, not encrypted" in lines
    tree = lines[lines.index("chain") + 1 : lines.index("together") - 1]
    assert [0, 3, 6] == [len(line) - len(line.lstrip(" `-")) - 2 for line in tree]
    assert tree[2].endswith("CN=localhost (server.crt, 1), key: server.key")
    assert "  the private key (server.key) is that of CN=localhost (server.crt, 1)" in lines
    assert "  the order of the chain in server.crt is right: each certificate, then its issuer's" in lines
    assert lines[-1].startswith("as a server, CN=localhost (server.crt, 1) would be accepted by a client that trusts ")


def test_as_a_client_it_is_of_no_use(inspect: Told, server: Identity) -> None:
    """A server's certificate as a client's: wrong purpose, by whom, and what to do."""
    status, out, _ = inspect("server.crt", "ca.crt", "--as", "client")
    assert 1 == status
    assert "would be rejected by a server that trusts " in out
    assert "  wrong purpose: its extended key usage is serverAuth, and not clientAuth\n    by every peer\n" in out
    assert "Issue one with clientAuth for a client; public CAs issue only for serverAuth since 2026." in out


def test_key_of_another(inspect: Told, server: Identity, tmp_path: Path, mtls_ca: CertificateAuthority) -> None:
    """A key that belongs to none of the certificates is wrong."""
    (tmp_path / "other.key").write_bytes(mtls_ca.issue_client("other").key_pem)
    status, out, _ = inspect("server.crt", "other.key")
    assert 1 == status
    assert "  WRONG: the private key (other.key) belongs to no certificate or request here\n" in out
    assert "the private key of CN=localhost (server.crt, 1) is not here" in out


def test_key_without_certificate(inspect: Told, server: Identity) -> None:
    """A key alone is named, and that there is nothing here for it to belong to."""
    status, out, _ = inspect("server.key")
    assert (0, True) == (status, out.startswith("server.key: PEM\n  private key P-256, not encrypted\n"))
    assert "  there is no certificate here that the private key (server.key) could belong to\n" in out
    assert "would be" not in out


def test_chain_in_the_wrong_order(inspect: Told, server: Identity, tmp_path: Path) -> None:
    """The order that a server would send is told by the numbers of the blocks."""
    (tmp_path / "wrong.crt").write_bytes(b"".join(reversed(blocks(server.cert_pem))))
    status, out, _ = inspect("wrong.crt", "server.key")
    assert 1 == status
    assert (
        "WRONG: the order of the chain in wrong.crt is wrong: its own certificate first, then each issuer's: 2, 1"
        in out
    )


def test_missing_intermediate(inspect: Told, server: Identity, middle: CertificateAuthority) -> None:
    """An intermediate that is not sent along: what is missing, and that a client which trusts the root rejects it."""
    status, out, _ = inspect("leaf.crt", "server.key", "--ca", "ca.crt", "--as", "server")
    assert 1 == status
    assert f"missing: the certificate of {middle.subject}, the issuer of CN=localhost (leaf.crt)\n" in out
    assert f"  unknown CA: its chain ends at {middle.subject}, which is not trusted\n" in out
    assert f"(missing: {middle.subject})\n`- CN=localhost (leaf.crt), key: server.key" in out.replace("  ", "")


def test_root_of_the_same_name_with_another_key(
    inspect: Told, mtls_ca: CertificateAuthority, mtls_untrusted_ca: CertificateAuthority, tmp_path: Path
) -> None:
    """A CA that was made anew has the name and not the key: that is what is told."""
    (tmp_path / "old.crt").write_bytes(blocks(mtls_ca.issue_client("alice").cert_pem)[0])
    (tmp_path / "ca.crt").write_bytes(mtls_untrusted_ca.pem)
    status, out, _ = inspect("old.crt", "--ca", "ca.crt", "--as", "client")
    assert 1 == status
    assert "has the name of the issuer of CN=alice (old.crt), and did not sign it\n" in out


def test_directory(inspect: Told, server: Identity, tmp_path: Path) -> None:
    """A directory is all its files; what else is in it is passed over."""
    (tmp_path / "README.md").write_text("certificates")
    _, out, err = inspect(".")
    assert "" == err
    assert {"ca.crt", "leaf.crt", "middle.crt", "server.crt", "server.key"} == {
        line.split(":")[0] for line in out.split("\nchain\n")[0].splitlines() if line.endswith(("PEM", "things"))
    }


def test_json(inspect: Told, server: Identity) -> None:
    """`--json` has it all for programs."""
    status, out, _ = inspect("server.crt", "server.key", "ca.crt", "--json")
    told: dict[str, Any] = json.loads(out)
    assert (0, False) == (status, told["wrong"])
    assert ["certificate", "certificate", "private key", "certificate"] == [one["kind"] for one in told["found"]]
    assert ["localhost"] == told["found"][0]["names"]
    assert {"server": True, "client": False} == {one["as"]: one["accepted"] for one in told["assessments"]}
    assert "wrong_purpose" == told["assessments"][1]["rejections"][0]["reason"]
    assert all(set(one) == {"words", "wrong"} for one in told["together"])


def test_no_private_key_is_printed(inspect: Told, server: Identity) -> None:
    """Neither form of the output holds a part of the key."""
    secret = server.key_pem.decode().splitlines()[1][:40]
    for form in ([], ["--json"]):
        _, out, err = inspect("server.crt", "server.key", *form)
        assert secret not in out + err


# --- files as openssl makes them -------------------------------------------------------------------------------------


def test_pem_with_text_and_windows_line_ends(inspect: Told, server: Identity, tmp_path: Path) -> None:
    """What `openssl x509 -text` prints, with CRLF."""
    openssl(tmp_path, "x509", "-in", "leaf.crt", "-text", "-out", "text.crt")
    text = (tmp_path / "text.crt").read_bytes()
    assert text.startswith(b"Certificate:")
    (tmp_path / "text.crt").write_bytes(text.replace(b"\n", b"\r\n"))
    _, out, _ = inspect("text.crt", "server.key")
    assert out.startswith("text.crt: PEM\n  certificate CN=localhost\n")
    assert "the private key (server.key) is that of CN=localhost (text.crt)" in out


@pytest.mark.parametrize(("encoding", "words"), [("utf-8-sig", "byte order mark"), ("utf-16", "UTF-16 text")])
def test_pem_as_a_windows_editor_saves_it(
    encoding: str, words: str, inspect: Told, server: Identity, tmp_path: Path
) -> None:
    """PEM behind a byte order mark is read, with the warning that servers do not read it."""
    (tmp_path / "bom.crt").write_bytes((tmp_path / "leaf.crt").read_text(encoding="ascii").encode(encoding))
    status, out, _ = inspect("bom.crt")
    assert 1 == status
    assert f"  1 WRONG: {words}: OpenSSL, and so most servers, " in out
    assert "  2 certificate CN=localhost\n" in out


def test_der(inspect: Told, server: Identity, tmp_path: Path) -> None:
    """DER: a certificate, a key in each of its forms, a request, a public key."""
    openssl(tmp_path, "x509", "-in", "leaf.crt", "-outform", "DER", "-out", "leaf.cer")
    openssl(tmp_path, "pkcs8", "-topk8", "-nocrypt", "-in", "server.key", "-outform", "DER", "-out", "pkcs8.der")
    openssl(tmp_path, "ec", "-in", "server.key", "-outform", "DER", "-out", "sec1.der")
    openssl(tmp_path, "ec", "-in", "server.key", "-pubout", "-outform", "DER", "-out", "public.der")
    for file, line in [
        ("leaf.cer", "  certificate CN=localhost"),
        ("pkcs8.der", "  private key P-256, not encrypted"),
        ("sec1.der", "  private key P-256, not encrypted"),
        ("public.der", "  public key P-256"),
    ]:
        _, out, _ = inspect(file)
        assert [f"{file}: DER", line] == out.splitlines()[:2]


def test_base64_without_armour(inspect: Told, server: Identity, tmp_path: Path) -> None:
    """Base64 as it is copied out of a portal or a variable is read, and its form named."""
    encoded = base64.encodebytes(server.der)
    (tmp_path / "copied.txt").write_bytes(encoded)
    _, out, _ = inspect("copied.txt")
    assert out.startswith(
        "copied.txt: base64 of DER, without the BEGIN and END lines of PEM\n  certificate CN=localhost\n"
    )


@pytest.mark.parametrize("form", ["PEM", "DER"])
def test_pkcs7(form: str, inspect: Told, server: Identity, tmp_path: Path) -> None:
    """PKCS#7, as Windows exports a chain."""
    openssl(tmp_path, "crl2pkcs7", "-nocrl", "-certfile", "server.crt", "-outform", form, "-out", "chain.p7b")
    _, out, _ = inspect("chain.p7b", "server.key")
    assert out.startswith(f"chain.p7b: {form}, 2 things\n  1 certificate ")
    assert "is that of CN=localhost (chain.p7b, " in out


@pytest.mark.parametrize("age", [["-legacy"], []], ids=["RC2 and 3DES", "AES"])
def test_pkcs12(age: list[str], inspect: Told, server: Identity, tmp_path: Path) -> None:
    """PKCS#12 of old and new making: key, certificate and chain belong together; the password has to be right."""
    made = ["-inkey", "server.key", "-in", "server.crt", "-name", "web", "-passout", "pass:right", "-out", "server.p12"]
    openssl(tmp_path, "pkcs12", "-export", *age, *made)
    _, out, _ = inspect("server.p12", "--password", "pass:right", "--as", "server")
    assert out.startswith("server.p12: PKCS#12, 3 things\n  1 private key 'web' P-256, encrypted\n")
    assert "the private key (server.p12, 1) is that of CN=localhost (server.p12, 2)" in out
    assert (2, "", True) == (*inspect("server.p12")[:2], True)
    status, out, err = inspect("server.p12", "--password", "pass:wrong")
    assert (2, "", 1) == (status, out, err.count("\n"))
    assert "--password: the password does not open server.p12. Give the right one: " in err


@pytest.mark.parametrize("form", ["traditional", "PKCS#8", "PKCS#8 DER"])
def test_encrypted_key(form: str, inspect: Told, server: Identity, tmp_path: Path) -> None:
    """A key that is encrypted in each of OpenSSL's forms: without the password it is named, with it it is matched."""
    password = ["-passout", "pass:right", "-out", "locked.key", "-in", "server.key"]
    if form == "traditional":
        openssl(tmp_path, "ec", "-aes256", *password)
        assert b"Proc-Type: 4,ENCRYPTED" in (tmp_path / "locked.key").read_bytes()
    else:
        openssl(
            tmp_path, "pkcs8", "-topk8", "-outform", form.rsplit(maxsplit=1)[-1].replace("PKCS#8", "PEM"), *password
        )
    status, out, _ = inspect("server.crt", "locked.key", "--as", "server")
    assert 0 == status
    assert "  private key, encrypted, not opened\n" in out
    assert (
        "the private key (locked.key) is encrypted, so it cannot be said whose it is. Give its password: --password\n"
        in out
    )
    status, out, _ = inspect("server.crt", "locked.key", "--password", "pass:right", "--as", "server")
    assert "the private key (locked.key) is that of CN=localhost (server.crt, 1)\n" in out
    assert 2 == inspect("server.crt", "locked.key", "--password", "pass:wrong")[0]


def test_signing_request(inspect: Told, server: Identity, tmp_path: Path) -> None:
    """A PKCS#10 request and the key that it was made with."""
    names = ["-addext", "subjectAltName=DNS:web.example"]
    openssl(tmp_path, "req", "-new", "-key", "server.key", "-subj", "/CN=web", *names, "-out", "web.csr")
    status, out, _ = inspect("web.csr", "server.key")
    assert 0 == status
    assert "  certificate signing request CN=web\n      key P-256; names web.example\n" in out
    assert "the private key (server.key) is that of the request CN=web (web.csr)\n" in out


def test_trusted_certificate(inspect: Told, server: Identity, tmp_path: Path) -> None:
    """OpenSSL's own form of a certificate with trust."""
    openssl(tmp_path, "x509", "-in", "leaf.crt", "-trustout", "-addtrust", "serverAuth", "-out", "trusted.pem")
    assert b"TRUSTED CERTIFICATE" in (tmp_path / "trusted.pem").read_bytes()
    assert inspect("trusted.pem")[1].startswith("trusted.pem: PEM\n  certificate CN=localhost\n")


def test_revoked(inspect: Told, tmp_path: Path) -> None:
    """A CRL beside the certificates: whose it is, and who is on it, which every peer that has it rejects."""
    ca = CertificateAuthority.create()
    alice = ca.issue_client("alice")
    ca.revoke(alice)
    (tmp_path / "alice.crt").write_bytes(alice.cert_pem)
    (tmp_path / "ca.crt").write_bytes(ca.pem)
    (tmp_path / "ca.crl").write_bytes(ca.crl_pems()[0])
    status, out, _ = inspect("alice.crt", "ca.crt", "ca.crl", "--as", "client")
    assert 1 == status
    assert "  certificate revocation list of " in out
    assert "the CRL (ca.crl) is signed by " in out
    assert "WRONG: CN=alice (alice.crt) is revoked, by the CRL (ca.crl)" in out
    assert "  revoked: certificate revoked\n" in out


def test_crl_of_openssl(inspect: Told, tmp_path: Path) -> None:
    """A CRL that openssl made, in each form: whose it is, how many it names, and that it has ended."""
    openssl(
        tmp_path,
        *[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "ca.key",
            "-out",
            "ca.crt",
            "-subj",
            "/CN=ours",
            "-days",
            "9",
        ],
    )
    (tmp_path / "index.txt").write_text("R\t300101000000Z\t200101000000Z\t1F\tunknown\t/CN=alice\n")
    (tmp_path / "ca.cnf").write_text("[ca]\ndefault_ca=own\n[own]\ndatabase=index.txt\ndefault_md=sha256\n")
    made = "ca -config ca.cnf -gencrl -cert ca.crt -keyfile ca.key -crl_lastupdate 200101000000Z -out crl.pem"
    openssl(tmp_path, *made.split(), "-crl_nextupdate", "200201000000Z")
    openssl(tmp_path, *["crl", "-in", "crl.pem", "-outform", "DER", "-out", "crl.der"])
    for file, form in (("crl.pem", "PEM"), ("crl.der", "DER")):
        _, out, _ = inspect(file, "ca.crt")
        assert out.startswith(f"{file}: {form}\n  certificate revocation list of CN=ours\n")
        assert f"the CRL ({file}) is signed by CN=ours" in out
        told = "1 certificate revoked; issued 2020-01-01 00:00:00 UTC, next update due 2020-02-01 00:00:00 UTC, "
        assert told in out.split("ca.crt: PEM")[0]


# --- Java, NSS, Kubernetes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JKS", "JCEKS", "PKCS12"])
def test_java_key_store(kind: str, inspect: Told, server: Identity, tmp_path: Path) -> None:
    """A key store as keytool makes it, with a key of its own and a trusted CA."""
    store = ["-storetype", kind, "-keystore", "store", "-storepass", "changeit"]
    subject = [
        "-dname",
        "CN=java",
        "-keyalg",
        "EC",
        "-groupname",
        "secp256r1",
        "-validity",
        "9",
        "-ext",
        "san=dns:java",
    ]
    keytool(tmp_path, "-genkeypair", *store, "-keypass", "changeit", "-alias", "mykey", *subject)
    keytool(tmp_path, "-importcert", *store, "-noprompt", "-alias", "ourca", "-file", "ca.crt")
    _, out, _ = inspect("store", "--password", "pass:changeit", "--json")
    told = json.loads(out)["found"]
    assert {"JKS": "JKS", "JCEKS": "JCEKS", "PKCS12": "PKCS#12"}[kind] == told[0]["form"]
    assert {("private key", "mykey"), ("certificate", "mykey"), ("certificate", "ourca")} == {
        (one["kind"], one["label"]) for one in told
    }
    if kind != "JCEKS":  # whose keys are encrypted in a way of their own
        assert "P-256" == next(one["key"] for one in told if one["kind"] == "private key")
        assert any(" is that of CN=java (store, " in one["words"] for one in json.loads(out)["together"])
    assert 2 == inspect("store", "--password", "pass:wrong")[0]
    if kind == "JCEKS":
        _, out, _ = inspect("store", "--password", "pass:changeit", "--as", "server")
        remedy = (
            "convert a copy: keytool -importkeystore -srckeystore STORE -destkeystore copy.p12 -deststoretype PKCS12"
        )
        assert f"so it cannot be said whose it is. Its cipher is Java's own: {remedy}\n" in out
    if kind != "PKCS12":
        _, out, _ = inspect("store", "--as", "server")
        assert (
            "as a server, CN=java (store, 3) would be rejected by clients that do not trust the certificate itself"
            in out
        )
        assert "private key 'mykey', encrypted, not opened\n" in out
        assert "certificate 'mykey' CN=java\n" in out


def test_key_store_that_is_cut_off(inspect: Told, server: Identity, tmp_path: Path) -> None:
    """A damaged store is named as one, with keytool's command to convert a good one."""
    keytool(
        tmp_path,
        *("-importcert", "-storetype", "JKS", "-keystore", "store.jks", "-storepass", "changeit"),
        *("-noprompt", "-alias", "ca", "-file", "ca.crt"),
    )
    (tmp_path / "store.jks").write_bytes((tmp_path / "store.jks").read_bytes()[:200])
    status, out, _ = inspect("store.jks")
    assert 1 == status
    assert "WRONG: JKS key store: it is cut off; convert it: keytool -importkeystore -srckeystore store.jks " in out


def test_nss(inspect: Told, server: Identity, tmp_path: Path) -> None:
    """What certutil and pk12util export is read, certutil's request too; the database itself is rejected with their names."""
    certutil = require_program("certutil", apt="libnss3-tools")
    pk12util = require_program("pk12util", apt="libnss3-tools")
    (tmp_path / "db").mkdir()
    (tmp_path / "server.p12").write_bytes(server.pkcs12("secret", "web"))
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 8)
    requested = ["-s", "CN=firefox", "-k", "rsa", "-g", "2048", "-z", "noise", "-a", "-o", "request.pem"]
    for command in (
        [str(certutil), "-N", "-d", "sql:db", "--empty-password"],
        [str(pk12util), "-i", "server.p12", "-d", "sql:db", "-W", "secret"],
        [str(pk12util), "-o", "out.p12", "-n", "web", "-d", "sql:db", "-W", "export"],
        [str(certutil), "-R", "-d", "sql:db", *requested],
    ):
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    listed = subprocess.run(
        [certutil, "-L", "-d", "sql:db", "-n", "web", "-a"], cwd=tmp_path, check=True, capture_output=True
    )
    (tmp_path / "listed.pem").write_bytes(listed.stdout)
    assert "is that of CN=localhost (listed.pem)" in inspect("listed.pem", "server.key")[1]
    assert "is that of CN=localhost (out.p12, 2)" in inspect("out.p12", "--password", "pass:export")[1]
    assert "  certificate signing request CN=firefox\n      key RSA 2048; " in inspect("request.pem")[1]
    status, out, err = inspect("db/cert9.db")
    assert (2, "", 1) == (status, out, err.count("\n"))
    assert "it is a database, perhaps of NSS: list it with certutil -L -d DIR, export with pk12util -o" in err


def kubeconfig(ca: bytes, cert: bytes, key: bytes) -> str:
    """What `kubectl config view --raw` prints."""
    ca64, cert64, key64 = (base64.b64encode(one).decode() for one in (ca, cert, key))
    return f"""apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {ca64}
    server: https://127.0.0.1:6443
  name: kind
contexts:
- context:
    cluster: kind
    user: admin
  name: kind
current-context: kind
kind: Config
preferences: {{}}
users:
- name: admin
  user:
    client-certificate-data: {cert64}
    client-key-data: {key64}
"""


@pytest.mark.parametrize("form", ["YAML", "JSON"])
def test_kubeconfig(
    form: str, inspect: Told, mtls_ca: CertificateAuthority, mtls_client_cert: Identity, tmp_path: Path
) -> None:
    """A kubeconfig: the cluster's CA, the user's certificate and key, each by its name; they belong together."""
    text = kubeconfig(mtls_ca.pem, mtls_client_cert.cert_pem, mtls_client_cert.key_pem)
    if form == "JSON":
        lines = {line.split(": ")[0].strip(): line.split(": ")[-1] for line in text.splitlines()}
        cluster = {"certificate-authority-data": lines["certificate-authority-data"]}
        user = {name: lines[name] for name in ("client-certificate-data", "client-key-data")}
        text = json.dumps(
            {
                "kind": "Config",
                "clusters": [{"name": "kind", "cluster": cluster}],
                "users": [{"name": "admin", "user": user}],
            }
        )
    (tmp_path / "config").write_text(text)
    status, out, _ = inspect("config", "--as", "client")
    assert 0 == status, out
    assert "certificate 'cluster kind, certificate-authority-data' " in out
    assert "certificate 'user admin, client-certificate-data' CN=client\n" in out
    assert "private key 'user admin, client-key-data' P-256, not encrypted\n" in out
    assert " is that of CN=client (config, " in out


def test_kubeconfig_that_names_files(inspect: Told, server: Identity, tmp_path: Path) -> None:
    """Files that a kubeconfig names are read beside it; one that is not there is wrong."""
    (tmp_path / "config").write_text(
        "kind: Config\nclusters:\n  - name: prod\n    cluster:\n      certificate-authority: ca.crt\n"
        "users:\n  - name: 'me'\n    user:\n      client-certificate: gone.crt\n      client-key: server.key\n"
    )
    status, out, _ = inspect("config")
    assert 1 == status
    assert "certificate 'cluster prod, certificate-authority' " in out
    assert "WRONG: client-certificate 'user me, client-certificate': cannot read gone.crt: no such file" in out
    assert "private key 'user me, client-key' P-256" in out


def test_kubernetes_secret(inspect: Told, server: Identity, tmp_path: Path) -> None:
    """A Secret of type kubernetes.io/tls, as the package itself writes it."""
    written = server.write_to(tmp_path / "k8s", formats=["kubernetes"])
    assert written.kubernetes is not None
    status, out, _ = inspect(written.kubernetes, "--as", "server")
    assert 0 == status, out
    assert ": Kubernetes Secret, " in out
    assert "tls.key' P-256, not encrypted" in out


# --- what cannot be read ---------------------------------------------------------------------------------------------


def test_cut_off_and_spoilt_blocks(inspect: Told, server: Identity, tmp_path: Path) -> None:
    """Each bad block is told in its place, and the good ones are read."""
    good, more = blocks(server.cert_pem)
    spoilt = good.replace(b"\n", b"\n!", 2)
    (tmp_path / "bad.pem").write_bytes(spoilt + good + more[: len(more) // 2])
    status, out, _ = inspect("bad.pem")
    assert 1 == status
    assert "  1 WRONG: certificate: what is between its BEGIN and END lines is not base64" in out
    assert "  2 certificate CN=localhost\n" in out
    assert "  3 WRONG: certificate: it has no END line: the file is cut off there" in out


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"  \n", "it is empty"),
        (b"hello", "it holds no certificate, key, request or CRL in any form that is known here"),
        (b"ssh-ed25519 AAAA me@host", "it is an SSH public key, and TLS has no use for one"),
        (
            b"<!DOCTYPE html><html>",
            "it is a web page: what was asked for was not downloaded, perhaps for want of a login",
        ),
        (b"PK\x03\x04....", "it is a zip archive: unpack it, and give what is in it"),
        (b"\x30\x82\x05\x00\x00\x00", "it is DER, and neither a certificate, key, request, CRL, PKCS#7 nor PKCS#12"),
    ],
    ids=["empty", "blank", "text", "SSH", "web page", "zip", "DER"],
)
def test_other_files(content: bytes, words: str, inspect: Told, tmp_path: Path) -> None:
    """What is not a certificate file is named for what it is, in one line, with status 2."""
    (tmp_path / "file").write_bytes(content)
    status, out, err = inspect("file")
    assert (2, "", 1) == (status, out, err.count("\n"))
    assert err.startswith(f"pytest-mtls: cannot read file: {words}")


def test_no_such_file(inspect: Told) -> None:
    """A file that is not there is a mistake, and so is a directory without any."""
    assert (2, "", "pytest-mtls: cannot read absent: no such file or directory.\n") == inspect("absent")
    Path("empty").mkdir()
    assert "no file in this directory holds a certificate, key, request or CRL" in inspect("empty")[2]


def test_ssh_key(inspect: Told, tmp_path: Path) -> None:
    """An OpenSSH private key has a way to be converted."""
    keygen = require_program("ssh-keygen", apt="openssh-client")
    subprocess.run([keygen, "-q", "-t", "rsa", "-N", "", "-f", tmp_path / "id"], check=True, capture_output=True)
    status, out, _ = inspect("id")
    assert 1 == status
    assert "WRONG: OpenSSH private key: TLS libraries do not read this form: convert a copy with ssh-keygen -p" in out
