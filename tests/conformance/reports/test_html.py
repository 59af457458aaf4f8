"""The HTML report: self-contained, escaped, small, readable, and alive in a browser."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.reports import document_of, number_of, result_of, seen_of
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer
from pytest_mtls.conformance.mapping import REQUIREMENTS
from pytest_mtls.conformance.reports.document import cleaned
from pytest_mtls.conformance.reports.html import as_html
from pytest_mtls.conformance.reports.ladder import ladder
from pytest_mtls.conformance.reports.page import SCRIPT, STYLE
from pytest_mtls.conformance.run import Outcome, Result

_VOID = {"meta", "input", "link", "br", "img", "hr"}
#: Elements and attributes that load, run or send something.
_ACTIVE_ELEMENTS = {
    "img",
    "iframe",
    "link",
    "object",
    "embed",
    "base",
    "form",
    "audio",
    "video",
    "source",
    "use",
    "image",
}
_ACTIVE_ATTRIBUTES = {"src", "srcset", "action", "data", "poster", "style", "xlink:href", "formaction", "background"}
#: Links that lead out of the page, for a reader to follow; nothing is loaded from there.
_SOURCES = {requirement.source.url for requirement in REQUIREMENTS.values()}
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></svg><svg onload=alert(1)>",
    "]]><!--",
    "&lt;b&gt;",
    "\u202egnp.exe",
    "\x00\x1b[31m",
    "';alert(1);//",
)


class Page(HTMLParser):
    """Reads a page, and sees to it that every element ends where it should."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: Counter[str] = Counter()
        self.attributes: list[tuple[str, str, str | None]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert [] == self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += ((tag, name, value) for name, value in attrs)
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements[tag] += 1
        self.attributes += ((tag, name, value) for name, value in attrs)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open[-1:] not in (["script"], ["style"]):
            self.texts.append(data)

    @property
    def text(self) -> str:
        """What a reader sees."""
        return " ".join(" ".join(self.texts).split())


def assert_harmless(page: Page) -> None:
    """There is one script and one style, ours; nothing else is loaded, run or sent."""
    assert (1, 1) == (page.elements["script"], page.elements["style"])
    assert not _ACTIVE_ELEMENTS & set(page.elements)
    for tag, name, value in page.attributes:
        assert name not in _ACTIVE_ATTRIBUTES, (tag, name, value)
        assert not name.startswith("on"), (tag, name, value)
        assert name != "href" or re.fullmatch(r"#[a-z0-9]+", value or "") or value in _SOURCES, (tag, name, value)


@pytest.fixture
def deviation(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> Result:
    """A result that failed: a client that is not expired was let in."""
    return result_of(2, seen_of(mtls_server, mtls_ca.issue_client("alice")), Outcome.DEVIATES, "the server let it in")


def test_page_has_what_an_auditor_asks(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, mtls_client_cert: Identity
) -> None:
    """What was tested, when, with what, the verdict; what failed with its cause; and every check, in that order."""
    seen = seen_of(mtls_server, mtls_client_cert)
    results = [
        result_of(0, seen, Outcome.CONFORMS),
        result_of(2, seen, Outcome.DEVIATES, "the server let this client in"),
        result_of(3, None, Outcome.LEFT_OUT, "it needs the key"),
        result_of(4, seen, Outcome.EXCEPTED, "ticket 7"),
    ]
    page = Page(as_html(document_of(results, ca=mtls_ca)))
    assert_harmless(page)
    text = page.text
    order = [
        text.index(part)
        for part in (
            "https://bank.example:8443/login",
            "Failed: 1 of 4 checks.",
            "What was tested",
            "What failed (1)",
            "Likely cause:",
            "What the client presented",
            "The chain that the server presents",
            "What was left out (1)",
            "What is agreed in the policy (1)",
            "All checks (4)",
        )
    ]
    assert order == sorted(order)
    for part in ("2026-03-14T15:09:26Z", "crl", "cryptography", "CN=localhost", "ticket 7", "it needs the key"):
        assert part in text
    assert (1, 4) == (page.elements["svg"], len(re.findall(r'<th scope="row">', as_html(document_of(results)))))
    for result in results:
        assert result.case.summary in text


def test_faulty_field_is_marked(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """The certificate that is at fault is open, with its field marked, and what is wrong with it beside."""
    expired = mtls_ca.issue_client("alice", not_before=-10, not_after=-1)
    seen = seen_of(mtls_server, expired)
    html = as_html(document_of([result_of(number_of("valid"), seen, Outcome.DEVIATES, "a good client was refused")]))
    (marked,) = re.findall(r"<mark>(.*?)</mark> ✗ (.*?)</dd>", html)
    assert f"{expired.certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}" == marked[0]
    assert "expired 1 day ago" in marked[1]
    assert 1 == html.count('class="faulty" open')


def test_ladder_is_a_drawing_of_its_own() -> None:
    """It is well-formed SVG with an arrow for each message; the last one ends it, and all is in its label."""
    messages: list[dict[str, Any]] = [
        {"from": "client", "text": "ClientHello"},
        {"from": "server", "text": "Certificate <&>"},
        {"from": "server", "text": "HTTP 400" + "!" * 100, "inside": True, "ends": True},
    ]
    drawn = ET.fromstring(ladder({"verdict": "refused", "rejected_by": "server", "messages": messages}))
    groups = drawn.findall("g")
    assert ["message ", "message ", "message ends inside"] == [group.get("class") for group in groups]
    assert "Certificate <&>" == groups[1].findtext("text")
    assert messages[2]["text"] == groups[2].findtext("title")
    label = drawn.get("aria-label", "")
    assert label.startswith(
        "The server rejected the client. Messages: client: ClientHello; server: Certificate <&>; server: HTTP 400"
    )
    starts = [float(re.findall(r"M(\d+)", group.findall("path")[0].get("d", ""))[0]) for group in groups]
    assert starts[0] < starts[1] == starts[2]


@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=40) | st.sampled_from(HOSTILE))
def test_hostile_texts_are_text(text: str) -> None:
    """Whatever a peer, a policy or an application says, the page is well-formed, harmless, and shows it as text."""
    certificate: dict[str, Any] = dict.fromkeys(
        ("subject", "issuer", "names", "usage", "serial", "key", "signature", "sha256"), text
    )
    certificate |= {"not_before": text, "not_after": text, "mark": {"field": "names", "text": text}}
    handshake = {
        "verdict": "refused",
        "rejected_by": "server",
        "tls_version": text,
        "cipher": text,
        "server_name": text,
        "messages": [{"from": "client", "text": text}, {"from": "server", "text": text, "ends": True}],
        "client_chain": [certificate, {"unreadable": text}],
        "server_chain": [certificate],
    }
    facts = dict.fromkeys(
        ("case", "tls", "title", "rfc", "expected", "seen", "note", "layer", "answer", "diagnosis"), text
    )
    result = {**facts, "outcome": "deviates", "why": text, "handshakes": [handshake]}
    left_out = {**facts, "outcome": "left out"}
    document = document_of([])
    whole = cleaned(
        {
            **document,
            "results": [result, left_out],
            "errors": [text],
            "settings": [text],
            "server_chains": [[certificate]],
        }
    )
    html = as_html(whole)
    html.encode()
    page = Page(html)
    assert_harmless(page)
    shown = " ".join(cleaned(text).split())
    assert shown in page.text


@pytest.mark.parametrize("name", [name for name in HOSTILE if "\x00" not in name])
def test_hostile_subject_of_a_real_certificate(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, name: str
) -> None:
    """A client whose subject is markup is shown by its name."""
    client = mtls_ca.issue_client(name)
    html = as_html(document_of([result_of(2, seen_of(mtls_server, client), Outcome.DEVIATES)]))
    page = Page(html)
    assert_harmless(page)
    assert "CN=" in page.text


def test_report_of_a_thousand_checks_is_small(mtls_server: MutualTLSServer, mtls_client_cert: Identity) -> None:
    """A report of 1,000 checks takes less than 2 MB, whether 10 of them fail or all do."""
    seen = seen_of(mtls_server, mtls_client_cert)
    html = ""
    for failing in (10, 1000):
        results = [
            result_of(number, seen, Outcome.DEVIATES if number < failing else Outcome.CONFORMS, "let in")
            for number in range(1000)
        ]
        document = document_of(results)
        html = as_html(document)
        assert len(html.encode()) < 2_000_000
    assert "800 more failed." in html


def test_policy_lets_only_our_script_and_style_run() -> None:
    """The Content-Security-Policy names the hashes of what is in the page, as a browser computes them."""
    html = as_html(document_of([result_of(0, None, Outcome.CONFORMS)]))
    (policy,) = re.findall(r'Content-Security-Policy" content="(.*?)"', html)
    for kind, text in (("style", STYLE), ("script", SCRIPT)):
        assert f"<{kind}>{text}</{kind}>" in html
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src &#x27;sha256-{digest}&#x27;" in policy
    assert policy.startswith("default-src &#x27;none&#x27;")


def luminance(colour: str) -> float:
    """The relative luminance of a colour (WCAG 2.2)."""
    digits = colour.lstrip("#")
    digits = "".join(digit * 2 for digit in digits) if len(digits) == 3 else digits
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_texts_have_contrast(scheme: str) -> None:
    """Every colour of text has 4.5 to 1 on what it stands on (WCAG 2.2, 1.4.3), in each scheme."""
    place = {"light": 0, "dark": 1, "print": 2}[scheme]
    block = re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL)[place]
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]+)", block))
    pairs = [(text, ground) for text in ("text", "soft", "accent", "bad", "good") for ground in ("card", "page")]
    pairs += [(kind, f"{kind}-soft") for kind in ("bad", "good", "agreed", "info", "quiet")]
    pairs += [("text", "bad-soft"), ("text", "quiet-soft")]
    for text, ground in pairs:
        lighter, darker = sorted((luminance(colours[text]), luminance(colours[ground])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (scheme, text, ground)


def test_page_can_be_used_without_a_mouse_or_a_script(deviation: Result) -> None:
    """Controls are buttons and fields with labels, the filters are hidden until the script runs, and images have words."""
    html = as_html(document_of([deviation]))
    assert 'class="skip" href="#checks"' in html
    assert '<label class="sr" for="words">' in html
    assert 'role="group" aria-label="Filter the checks" hidden>' in html
    assert 'role="status"' in html
    assert html.count("<svg") == html.count('role="img" aria-label="')
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    ids = re.findall(r' id="(.*?)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#(.*?)"', html)) <= set(ids)


def test_filters_run_in_a_browser(deviation: Result, tmp_path: Path) -> None:
    """In Chromium the script runs under the page's own policy, and what is hostile does not."""
    chromium = require_program("chromium", apt="chromium")
    results = [deviation, *(result_of(number, None, Outcome.CONFORMS) for number in range(3, 9))]
    hostile = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    html = as_html(document_of(results, errors=[hostile]))
    injected = html.replace("<footer>", f"{hostile}<footer>")
    for name, text in (("page", html), ("injected", injected)):
        file = tmp_path / f"{name}.html"
        file.write_text(text, encoding="utf-8")
        options = ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}")
        done = subprocess.run(
            [str(chromium), *options, "--virtual-time-budget=3000", "--dump-dom", file.as_uri()],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert "7 of 7 checks are shown." in done.stdout, done.stderr
        assert "<title>owned" not in done.stdout
