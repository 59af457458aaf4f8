"""Chromium with a client certificate: of Playwright's own, and of the browser's NSS database."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support.client_rows import People
from support.requirements import require_library, require_program

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer, Reason, clients
from pytest_mtls.errors import AuthorityUsedAsIdentity, InvalidArgument
from pytest_mtls.server.gallery import Exhibit, Gallery

#: What lets it start as root, and keeps it from calling home.
OPTIONS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]


def playwright() -> Any:
    """Playwright, which is there by the library that brings axe."""
    require_library("playwright", pip="axe-playwright-python")
    return import_module("playwright.sync_api").sync_playwright()


def test_arguments(people: People) -> None:
    """An entry for each origin, without paths and without the trust; none without an identity."""
    made = clients.playwright(
        people.alice, people.ca, "https://localhost:1/x", "https://localhost:1/", "https://a.example"
    )
    assert ["https://localhost:1", "https://a.example"] == [one["origin"] for one in made["client_certificates"]]
    assert {people.alice.cert_pem} == {one["cert"] for one in made["client_certificates"]}
    assert {"client_certificates": []} == clients.playwright(None, people.ca)
    assert "https://localhost" == clients.playwright(people.alice, people.ca)["client_certificates"][0]["origin"]


@pytest.mark.parametrize("url", ["http://localhost", "localhost:8443", "https://", ""])
def test_urls_that_cannot_be(people: People, url: str) -> None:
    """A URL that is not one of https is one typed error that shows one."""
    with pytest.raises(InvalidArgument, match=r"such as https://localhost:8443"):
        clients.playwright(people.alice, people.ca, url)
    with pytest.raises(AuthorityUsedAsIdentity):
        clients.playwright(people.ca, people.ca)  # type: ignore[arg-type]


def test_playwrights_own_certificates(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server sees the certificate of each context; a bad server is rejected, and a bad client by the server."""
    chromium = require_program("chromium", apt="chromium")
    monkeypatch.setenv("NODE_EXTRA_CA_CERTS", clients.environment(people.alice, people.ca)["NODE_EXTRA_CA_CERTS"])
    with (
        MutualTLSServer(cert=people.server, trust=people.ca) as server,
        MutualTLSServer(cert=people.ca.issue_server(not_after=-1), trust=people.ca) as expired,
        playwright() as running,
        running.chromium.launch(executable_path=str(chromium), args=OPTIONS) as browser,
    ):
        for client, subject in ((people.alice, "CN=alice"), (people.expired, None)):
            context = browser.new_context(**clients.playwright(client, people.ca, server.url, expired.url))
            page = context.new_page()
            page.set_default_timeout(60_000)
            answer = page.goto(server.url)
            if subject is None:
                assert 503 == answer.status
                assert Reason.EXPIRED in {one.reason for one in server.handshakes}
            else:
                assert subject == json.loads(answer.text())["client"]["subject"]
                with expired.expect_rejected(by="client"):
                    assert "certificate has expired" in page.goto(expired.url).text()
            context.close()


@pytest.fixture
def home(tmp_path: Path, mtls_ca: CertificateAuthority, mtls_client_cert: Identity) -> Path:
    """A home directory whose NSS database has the CA and the client, and a profile that presents it without asking."""
    certutil, pk12util = (str(require_program(name, apt="libnss3-tools")) for name in ("certutil", "pk12util"))
    database = tmp_path / ".pki" / "nssdb"
    database.mkdir(parents=True)
    pkcs12 = tmp_path / "client.p12"
    pkcs12.write_bytes(mtls_client_cert.pkcs12("secret"))
    for command in (
        [certutil, "-N", "--empty-password"],
        [certutil, "-A", "-n", "ca", "-t", "CT,C,C", "-i", mtls_ca.cert_path],
        [pk12util, "-i", str(pkcs12), "-W", "secret", "-K", ""],
    ):
        subprocess.run([*command[:1], "-d", f"sql:{database}", *command[1:]], check=True, capture_output=True)
    profile = tmp_path / "profile" / "Default"
    profile.mkdir(parents=True)
    asked = json.dumps({"pattern": "https://*", "filter": {}})
    preferences = {"profile": {"managed_auto_select_certificate_for_urls": [asked]}}
    (profile / "Preferences").write_text(json.dumps(preferences))
    return tmp_path


@pytest.fixture
def browser(home: Path) -> Iterator[Any]:
    """Chromium at that home."""
    chromium = require_program("chromium", apt="chromium")
    with playwright() as running:
        known = {"executable_path": str(chromium), "args": OPTIONS, "env": {**os.environ, "HOME": str(home)}}
        with running.chromium.launch_persistent_context(str(home / "profile"), **known) as context:
            context.set_default_timeout(60_000)
            yield context


def test_servers_of_a_gallery(browser: Any, mtls_ca: CertificateAuthority) -> None:
    """By its own certificate, Chromium reads the page of the good server, and rejects a bad one for the right reason."""
    with Gallery(mtls_ca) as gallery:
        exhibits: dict[str, Exhibit] = {one.id: one for one in gallery.exhibits}
        page = browser.new_page()
        assert "CN=client" in page.goto(exhibits["good"].url).text()
        last = gallery.server("good").handshakes[-1]
        assert (True, "good.localhost") == (last.accepted, last.server_name)
        for id, problem in (
            ("expired", "ERR_CERT_DATE_INVALID"),
            ("untrusted-ca", "ERR_CERT_AUTHORITY_INVALID"),
            ("wrong-host", "ERR_CERT_COMMON_NAME_INVALID"),
        ):
            with pytest.raises(Exception, match=problem):
                page.goto(exhibits[id].url)
            assert "client" == gallery.server(id).handshakes[-1].rejected_by
