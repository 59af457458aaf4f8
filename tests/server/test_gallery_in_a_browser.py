"""The index page of the gallery in Chromium: accessible by axe-core's rules, at two widths, in both schemes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support.requirements import require_library, require_program

from pytest_mtls import CertificateAuthority
from pytest_mtls.server.gallery import Gallery
from pytest_mtls.server.gallery_lines import ClientPaths
from pytest_mtls.server.gallery_page import as_page


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a gallery, with the paths of somebody whose home is deep."""
    directory = "/home/somebody/projects/payments/services/gateway/tests/certificates"
    files = ClientPaths(*(f"{directory}/{name}" for name in ("ca.crt", "client.crt", "client.key")))
    file = tmp_path_factory.mktemp("gallery") / "index.html"
    ca = CertificateAuthority.create()
    with Gallery(ca) as gallery:
        file.write_text(as_page(gallery.exhibits, files), encoding="utf-8")
    ca.remove_files()
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


def opened(browser: Any, page: Path, width: int, scheme: str) -> Any:
    """The page in a window of its own, with what there is to type for the first servers."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, bypass_csp=True)
    window = context.new_page()
    window.set_default_timeout(60_000)
    window.goto(page.as_uri())
    window.evaluate("[...document.querySelectorAll('details')].slice(0, 5).forEach(one => { one.open = true; })")
    return window


#: What the suite has; the others are in the slow tests.
_QUICK = (390, "dark")
_WINDOWS = [
    pytest.param(width, scheme, marks=() if (width, scheme) == _QUICK else pytest.mark.slow)
    for width in (1280, 390)
    for scheme in ("light", "dark")
]


@pytest.mark.parametrize(("width", "scheme"), _WINDOWS)
def test_axe_finds_nothing(browser: Any, page: Path, width: int, scheme: str) -> None:
    """No rule of axe-core is broken, and the page itself never scrolls sideways."""
    axe = Path(import_module("axe_playwright_python").__file__ or "").parent / "axe.min.js"
    window = opened(browser, page, width, scheme)
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    window.add_script_tag(path=str(axe))
    # A hundred and fifty articles are alike: the first of them, open and closed, stand for all.
    window.evaluate("[...document.querySelectorAll('article')].slice(8).forEach(one => { one.hidden = true; })")
    found = window.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert [] == [f"{one['id']}: {one['nodes'][0]['html']}" for one in found["violations"]]
    assert len(found["passes"]) > 15


def test_what_to_type_keeps_its_lines(browser: Any, page: Path) -> None:
    """On a narrow screen it scrolls by itself, with the keyboard too, instead of being broken between words."""
    window = opened(browser, page, 390, "light")
    first = window.locator("pre").first
    height, lines = first.evaluate("one => [one.clientHeight, one.textContent.split('\\n').length]")
    assert height < (lines + 2) * 24
    assert first.evaluate("one => one.scrollWidth > one.clientWidth")
    first.focus()
    window.keyboard.press("ArrowRight")
    window.wait_for_function("document.querySelector('pre').scrollLeft > 0")


@pytest.mark.slow
def test_search(browser: Any, page: Path) -> None:
    """Words are looked for in names and summaries, and the number that is left is told."""
    window = opened(browser, page, 1280, "light")
    window.fill("#words", "expired")
    shown = window.locator("article:visible").count()
    assert window.inner_text("#shown").startswith(f"{shown} of ")
    assert window.locator("article:visible h3").all_inner_texts()[0].startswith("expired")
