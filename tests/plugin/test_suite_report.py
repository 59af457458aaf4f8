"""``--mtls-report`` of an ordinary suite: the handshakes of each test, in one file, in each form, under xdist too."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from support.users_suite import Run, said

ROOT = Path(__file__).parent.parent.parent
SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/schemas/handshakes-by-test-1.json").read_text(encoding="utf-8"))

SUITE = """
import pytest
from pytest_mtls import Reason, assert_accepted, probe

def test_expired_client_is_rejected(mtls_server, mtls_ca):
    with mtls_server.expect_rejected(Reason.EXPIRED):
        probe(mtls_server, mtls_ca.issue_client("alice", not_before=-10, not_after=-1))

def test_good_client(mtls_server, mtls_client_cert):
    for _ in range(25):
        assert probe(mtls_server, mtls_client_cert).accepted

def test_failure(mtls_server, mtls_ca):
    assert_accepted(mtls_server, mtls_ca.issue_client("<script>", not_before=-10, not_after=-1))

@pytest.fixture
def breaks_after(mtls_server, mtls_client_cert):
    probe(mtls_server, mtls_client_cert)
    yield
    raise RuntimeError("in teardown")

def test_teardown(breaks_after): pass

def test_without_handshakes(mtls_server): pass

def test_without_us(): pass
"""


@pytest.mark.parametrize("options", [(), ("-n", "2")], ids=["one process", "xdist"])
def test_handshakes_by_test(run: Run, pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    """Each test that had handshakes is there with its outcome; many are counted, and the last ones told."""
    run(SUITE, "--mtls-report=r.json", "--mtls-report=r.html", "--mtls-report=r.md", *options)
    report = json.loads((pytester.path / "r.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(SCHEMA)
    Draft202012Validator(SCHEMA).validate(report)
    tests = {test["test"].rpartition("::")[2]: test for test in report["tests"]}
    outcomes = {name: (test["outcome"], test["verdicts"]) for name, test in tests.items()}
    assert {
        "test_expired_client_is_rejected": ("passed", {"accepted": 0, "refused": 1, "undecided": 0}),
        "test_failure": ("failed", {"accepted": 0, "refused": 1, "undecided": 0}),
        "test_good_client": ("passed", {"accepted": 25, "refused": 0, "undecided": 0}),
        "test_teardown": ("failed", {"accepted": 1, "refused": 0, "undecided": 0}),
    } == outcomes
    assert not report["passed"]
    assert {"accepted": 26, "refused": 2, "undecided": 0} == report["summary"]
    assert 20 == len(tests["test_good_client"]["handshakes"])
    (rejected,) = tests["test_expired_client_is_rejected"]["handshakes"]
    assert ("refused", "server", "expired") == tuple(rejected[name] for name in ("verdict", "rejected_by", "reason"))
    assert "not_after" == rejected["client_chain"][0]["mark"]["field"]
    assert tests["test_failure"]["message"].startswith("the server rejected the client: expired")
    html = (pytester.path / "r.html").read_text(encoding="utf-8")
    HTMLParser().feed(html)
    assert 23 == html.count("<svg")
    assert "5 more are not drawn." in html
    assert "&lt;script" in html
    assert 1 == html.count("<script")
    assert html.index('id="t1"') < html.index('id="t0"'), "what failed comes first"
    table = (pytester.path / "r.md").read_text(encoding="utf-8")
    assert "1 rejected (expired) | passed |" in table


def test_run_without_failures(run: Run, pytester: pytest.Pytester) -> None:
    """A run that passes says so, and one without handshakes has an empty list."""
    run("def test_nothing(): pass", "--mtls-report=r.json")
    report = json.loads((pytester.path / "r.json").read_text(encoding="utf-8"))
    assert (True, []) == (report["passed"], report["tests"])


def test_form_that_needs_a_server_under_test(run: Run) -> None:
    """SARIF is about checks, which an ordinary suite has not: said before the run."""
    text = said(run("def test_nothing(): pass", "--mtls-report=r.sarif"))
    assert "--mtls-report without --mtls-target is 'r.sarif'" in text
    assert ".json, .html or .md" in text


def test_schemas_agree() -> None:
    """A certificate and a message are the same in both published schemas."""
    other = json.loads((ROOT / "docs/schemas/report-2.json").read_text(encoding="utf-8"))["$defs"]
    ours = SCHEMA["$defs"]
    for name in ("moment", "side", "chain", "certificate", "unreadable"):
        assert other[name] == ours[name]
    told = dict(ours["told"]["properties"])
    assert told.pop("reason")
    assert other["handshake"]["properties"] == told
