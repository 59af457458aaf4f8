"""Markdown, for the summary page of a CI job."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from support.reports import document_of, result_of, seen_of

from pytest_mtls import CertificateAuthority, MutualTLSServer
from pytest_mtls.conformance.reports.markdown import as_markdown, escaped
from pytest_mtls.conformance.run import Outcome

#: What GitHub shows of a job's summary, in bytes.
LIMIT = 1024 * 1024


def test_page_tells_the_verdict_first(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority) -> None:
    """Verdict, counts, the server's chain and versions; then the failures with their cause, then all checks, folded."""
    results = [
        result_of(0, seen_of(mtls_server), Outcome.CONFORMS),
        result_of(2, seen_of(mtls_server), Outcome.DEVIATES, "the server let this client in"),
        result_of(3, None, Outcome.LEFT_OUT, "no key"),
        result_of(4, None, Outcome.LEFT_OUT, "no key"),
        result_of(5, seen_of(mtls_server), Outcome.EXCEPTED, "ticket 7"),
    ]
    page = as_markdown(document_of(results, ca=mtls_ca))
    lines = page.splitlines()
    assert "## ❌ Mutual TLS of https:\\//bank.example:8443/login" == lines[0]
    assert "**Failed: 1 of 5 checks.** Tested on 2026-03-14T15:09:26Z, in 12.3 seconds." == lines[2]
    assert "| failed | 1 |" in lines
    assert any(line.startswith("- The server presents CN=localhost, valid until 20") for line in lines)
    order = [
        page.index(part) for part in ("### What failed", "### What was left out", "### What is agreed", "<details>")
    ]
    assert order == sorted(order)
    assert f"#### {results[1].case.id} over TLS {results[1].tls}" in lines
    assert any(line.startswith("- likely cause: ") for line in lines)
    assert "| 2 | no key |" in lines
    assert any(line.endswith("| ticket 7 |") for line in lines)


def test_page_of_a_run_that_passed() -> None:
    """There is nothing about failures in it."""
    page = as_markdown(document_of([result_of(0, None, Outcome.CONFORMS)]))
    assert page.startswith("## ✅")
    assert "What failed" not in page
    assert "Nothing was checked, so nothing was proved." in as_markdown(document_of([]))


def test_page_fits_a_summary(mtls_server: MutualTLSServer) -> None:
    """Five thousand failures with long notes are told within the limit, and how many more there are."""
    seen = seen_of(mtls_server)
    results = [result_of(number, seen, Outcome.DEVIATES, "|" * 3000) for number in range(5000)]
    page = as_markdown(document_of(results))
    assert len(page.encode()) < LIMIT
    assert "4950 more failed" in page
    assert "3500 more are not listed here." in page


@given(
    st.text() | st.sampled_from(["| a |", "<img src=x>", "[a](http://b)", "`x", "www.evil.example", "a\n\n# b", "@all"])
)
def test_escaped_text_means_itself(text: str) -> None:
    """No character keeps a meaning of its own, and nothing ends the line."""
    result = escaped(text)
    assert 1 >= len(result.splitlines())
    assert not re.search(r"(?<!\\)(?:\\\\)*[`*_\[\]<>|~#&@$]", result.replace("\\\\", ""))
    assert "://" not in result
    assert " ".join(text.split())[:400] == re.sub(r"\\(.)", r"\1", result)[: min(400, len(" ".join(text.split())))]
