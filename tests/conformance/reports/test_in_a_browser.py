"""The HTML report in Chromium: accessible by axe-core's rules, by keyboard, at each width, in each scheme, and printed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support.reports import document_of, number_of, result_of, seen_of
from support.requirements import require_library, require_program

from pytest_mtls import CertificateAuthority, MutualTLSServer
from pytest_mtls.conformance.mapping import mapped
from pytest_mtls.conformance.reports.html import as_html
from pytest_mtls.conformance.run import Outcome

#: What failed, in the page below.
FAILED = ("expired", "unknown-ca", "no-certificate", "revoked", "server-only")


@pytest.fixture
def page(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, tmp_path: Path) -> Path:
    """The report of a run with ten deviations, each with its handshake, and with everything else that a report can have."""
    results = []
    for case in FAILED:
        for place, tls in enumerate(("1.2", "1.3")):
            client = None if case == "no-certificate" else mtls_ca.issue_client(case, not_before=-10, not_after=-1)
            seen = seen_of(mtls_server, client, tls=tls)
            results.append(result_of(number_of(case) + place, seen, Outcome.DEVIATES, "the server let this client in"))
    results += [
        result_of(number, None, outcome, "ticket 7")
        for number, outcome in enumerate(list(Outcome)[2:] * 10 + [Outcome.CONFORMS] * 30)
    ]
    document = mapped(
        document_of(
            results,
            ca=mtls_ca,
            errors=["test_x.py::test_y"],
            changes=[{"kind": "weaker", "text": "no-certificate: refused -> accepted"}],
            inventory={"versions": ["1.2", "1.3"], "cipher suites": ["TLS_AES_256_GCM_SHA384"] * 20},
        )
    )
    file = tmp_path / "report.html"
    file.write_text(as_html(document), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, driven by Playwright."""
    chromium = require_program("chromium", apt="chromium")
    require_library("axe_playwright_python", pip="axe-playwright-python")
    with import_module("playwright.sync_api").sync_playwright() as playwright:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        with playwright.chromium.launch(executable_path=str(chromium), args=options) as running:
            yield running


def opened(browser: Any, page: Path, width: int = 1280, scheme: str = "light", **options: Any) -> Any:
    """The page in a window of its own."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, **options)
    window = context.new_page()
    window.set_default_timeout(60_000)
    window.goto(page.as_uri())
    return window


#: Half of the windows are in the slow tests.
WINDOWS = [
    (1280, "light"),
    (390, "dark"),
    pytest.param(1280, "dark", marks=pytest.mark.slow),
    pytest.param(390, "light", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("width", "scheme"), WINDOWS)
def test_axe_finds_nothing(browser: Any, page: Path, width: int, scheme: str) -> None:
    """No rule of axe-core is broken: names, roles, contrast, order of headings, regions that scroll."""
    axe = Path(import_module("axe_playwright_python").__file__ or "").parent / "axe.min.js"
    window = opened(browser, page, width, scheme, bypass_csp=True)
    window.add_script_tag(path=str(axe))
    found = window.evaluate("axe.run(document, {resultTypes: ['violations']})")
    told = [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]
    assert [] == told
    assert len(found["passes"]) > 20


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(browser: Any, page: Path, width: int) -> None:
    """The page itself never scrolls sideways."""
    window = opened(browser, page, width)
    assert window.evaluate("document.documentElement.scrollWidth") <= width


def test_keyboard_is_enough(browser: Any, page: Path) -> None:
    """The first tab leads to the checks, and the filters are fields and buttons that keys work."""
    window = opened(browser, page)
    window.keyboard.press("Tab")
    assert "#checks" == window.evaluate("document.activeElement.getAttribute('href')")
    window.keyboard.press("Enter")
    assert page.as_uri() + "#checks" == window.url
    total = 10 + 40 + 30
    window.focus("#words")
    window.keyboard.type("expired")
    shown = window.inner_text("#shown")
    count = int(re.findall(r"(\d+) of", shown)[0])
    assert f"{count} of {total} checks are shown." == shown
    assert 2 <= count < total
    window.fill("#words", "")
    window.keyboard.press("Tab")
    assert "false" == window.evaluate("document.activeElement.getAttribute('aria-pressed')")
    window.keyboard.press("Space")
    assert f"10 of {total} checks are shown." == window.inner_text("#shown")


def test_page_asks_the_network_for_nothing(browser: Any, page: Path) -> None:
    """The one request is for the file itself."""
    context = browser.new_context()
    window = context.new_page()
    asked: list[str] = []
    window.on("request", lambda request: asked.append(request.url))
    window.goto(page.as_uri())
    window.evaluate("scrollTo(0, document.body.scrollHeight)")
    assert [page.as_uri()] == asked


def test_print_keeps_what_belongs_together(browser: Any, page: Path, tmp_path: Path) -> None:
    """On paper each failure stands whole on a page, and the controls are gone."""
    pdftotext = require_program("pdftotext", apt="poppler-utils")
    window = opened(browser, page)
    file = tmp_path / "report.pdf"
    window.pdf(path=str(file), format="A4")
    text = subprocess.run([pdftotext, "-layout", file, "-"], capture_output=True, text=True, check=True).stdout
    pages = text.split("\f")
    for case in FAILED:
        for tls in ("1.2", "1.3"):
            (of_it,) = (one for one in pages if f"{case} over TLS {tls}" in one)
            after = of_it[of_it.index(f"{case} over TLS {tls}") :]
            assert "WHAT THE SERVER PRESENTED" in after
            assert "WHAT THE CLIENT PRESENTED" in after
    assert "checks are shown" not in text
    assert len(pages) < 25
