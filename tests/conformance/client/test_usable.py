"""What is said of a client that cannot be tested: what happened, and what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from support.client_programs import CURL
from support.requirements import require_program

from pytest_mtls import CertificateAuthority
from pytest_mtls.conformance.client.under_test import ClientUnderTest
from pytest_mtls.errors import ClientNotUsable


def said_of(client: Sequence[str], ca: CertificateAuthority, timeout: float = 20) -> str:
    """Why it is not usable."""
    with ClientUnderTest(client, ca=ca, timeout=timeout) as running, pytest.raises(ClientNotUsable) as raised:
        running.check_usable()
    return str(raised.value)


def without(*words: str) -> list[str]:
    """curl's command without an option and what belongs to it."""
    command = list(CURL)
    for word in words:
        del command[command.index(word) : command.index(word) + 2]
    return command


def test_program_that_goes_to_a_proxy(mtls_ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not come, and the variable that sends it elsewhere is named; without one nothing is guessed."""
    require_program("curl", apt="curl")
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    said = said_of(without("--noproxy"), mtls_ca)
    assert "it did not connect to a good server, and ended with status 7. The variable HTTPS_PROXY is set, so " in said
    assert "unset it, or set NO_PROXY=localhost" in said
    monkeypatch.delenv("HTTPS_PROXY")
    said = said_of([sys.executable, "-c", "'{url}'; exit(7)"], mtls_ca)
    assert said.endswith("it did not connect to a good server, and ended with status 7.")


def test_program_without_certificate(mtls_ca: CertificateAuthority) -> None:
    """It is told by which placeholders it can be given."""
    require_program("curl", apt="curl")
    said = said_of(without("--cert", "--key"), mtls_ca)
    assert (
        "it does not accept a good server: rejected by the server: no certificate. Give it its certificate, by " in said
    )


def test_program_without_the_ca(mtls_ca: CertificateAuthority) -> None:
    """It is told how to be given it, or what to do where it cannot be told."""
    require_program("curl", apt="curl")
    said = said_of(without("--cacert"), mtls_ca)
    assert "rejected by the client: unknown CA" in said
    assert (
        "Tell it to trust {ca}; if it can trust only a CA of its own, give that with --mtls-ca and --mtls-ca-key"
        in said
    )


def test_placeholder_that_is_not_one(mtls_ca: CertificateAuthority) -> None:
    """A slip of the pen in a command is named, with what there is."""
    require_program("curl", apt="curl")
    said = said_of(["{cafile}" if word == "{ca}" else word for word in CURL], mtls_ca)
    assert "{cafile} in the command stands as it is: what is filled in is {address} {ca} {cert} {crl} {host} " in said


@pytest.mark.skipif(os.name == "nt", reason="files are executable by their names there")
def test_file_that_is_not_a_program(mtls_ca: CertificateAuthority, tmp_path: Path) -> None:
    """One that may not be executed, a directory, a script of an interpreter that is not there, and one without any."""
    script = tmp_path / "client"
    script.write_text("#!/no/such/interpreter\n")
    assert f"(Permission denied). Make it executable: chmod +x {script}" in said_of([str(script), "{url}"], mtls_ca)
    assert f"{tmp_path} is a directory: give the program in it" in said_of([str(tmp_path), "{url}"], mtls_ca)
    script.chmod(0o755)
    assert f"{script} is there: the interpreter that its first line names is not" in said_of(
        [str(script), "{url}"], mtls_ca
    )
    script.write_bytes(b"\x00\x01\x02")
    assert "a script whose first line does not name its interpreter" in said_of([str(script), "{url}"], mtls_ca)
    assert "(No such file or directory). Give a program that is on the path" in said_of(["no-such", "{url}"], mtls_ca)
