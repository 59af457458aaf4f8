"""What a server did before, and what has changed since."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.conforming import ALL
from support.reports import validate

from pytest_mtls import CertificateAuthority, MutualTLSServer
from pytest_mtls.bypasses.run import NO_RULE
from pytest_mtls.conformance.baseline import Snapshot, compare, read_snapshot, regression
from pytest_mtls.errors import InvalidReport

Factory = Callable[..., MutualTLSServer]


def facts(case: str, seen: str, tls: str = "1.3", **more: str) -> dict[str, Any]:
    """The facts of one result."""
    known = {"case": case, "tls": tls, "theme": "path", "expected": "refused", "seen": seen, "outcome": "conforms"}
    return {**known, **more}


def told(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
    """The changes between two runs, as they are printed."""
    return [str(change) for change in compare(Snapshot.of(old), Snapshot.of(new))]


def test_nothing_changed() -> None:
    """The same results are no change, whatever their notes say."""
    same = [facts("expired", "refused", alert="certificate_expired"), facts("valid", "accepted", expected="accepted")]
    assert [] == told(same, [{**one, "note": "another", "error": "x"} for one in same])


@pytest.mark.parametrize(
    ("case", "expected", "was", "now", "kind"),
    [
        ("expired", "refused", "refused", "accepted", "weaker"),
        ("expired", "refused", "refused", "undecided", "weaker"),
        ("expired", "refused", "accepted", "refused", "stronger"),
        ("sha1", "either, without level", "refused", "accepted", "weaker"),
        ("sha1", "either", "accepted", "refused", "stronger"),
        ("valid", "accepted", "accepted", "refused", "weaker"),
        ("valid", "accepted", "undecided", "accepted", "stronger"),
        ("bypass[headers]", "held", "held", "bypassed", "weaker"),
        ("bypass[headers]", "held", "held", "undecided", "weaker"),
        ("bypass[headers]", "held", "bypassed", "held", "stronger"),
    ],
)
def test_weaker_is_what_lets_more_in(case: str, expected: str, was: str, now: str, kind: str) -> None:
    """A bad client that gets in is weaker, a good one that does not too, and the other way round is stronger."""
    old, new = (facts(case, seen, expected=expected) for seen in (was, now))
    assert [f"{kind}: {case} over TLS 1.3: {was} -> {now}"] == told([old], [new])
    line = f"regression: {case} over TLS 1.3 was {was}, and is {now}" if kind == "weaker" else ""
    assert line == regression(Snapshot.of([old]), new)


def test_other_alert_or_layer_is_told() -> None:
    """A rejection by another alert, or in another layer, is neither weaker nor stronger."""
    old = [facts("expired", "refused", layer="tls", alert="certificate_expired")]
    new = [facts("expired", "refused", layer="http", answer="HTTP 400")]
    line = "expired over TLS 1.3: refused (tls, certificate_expired) -> refused (http, HTTP 400)"
    assert [f"changed: {line}"] == told(old, new)
    assert "" == regression(Snapshot.of(old), new[0])


def test_checks_that_changed_alike_share_a_line() -> None:
    """One cause is one line: all of a theme that changed alike, over both versions."""
    names = ("expired", "not-yet-valid")
    old = [facts(name, "refused", tls, alert=name) for name in names for tls in ("1.2", "1.3")]
    new = [facts(name, "accepted", tls) for name in names for tls in ("1.2", "1.3")]
    other = facts("revoked", "refused", theme="revocation"), facts("revoked", "accepted", theme="revocation")
    assert [
        "weaker: expired, not-yet-valid over TLS 1.2 and 1.3: refused -> accepted",
        "weaker: revoked over TLS 1.3: refused -> accepted",
    ] == told([*old, other[0]], [*new, other[1]])


def test_what_is_no_longer_tested_is_weaker() -> None:
    """A check that is left out now proves nothing any more: one line for each cause. One that was not chosen is only told."""
    old = [facts(name, "refused", "1.3") for name in ("expired", "revoked", "sha1")]
    cause = "the server does not speak TLS 1.3"
    new = [facts(name, "-", "1.3", outcome="left out", note=cause) for name in ("expired", "revoked")]
    assert [
        f"weaker: expired, revoked over TLS 1.3: no longer tested: {cause}",
        "gone: 1 check: not made in this run",
    ] == told(old, new)
    assert [] == told(new, new)
    assert ["new: 2 checks: checks that are made for the first time", "gone: 1 check: not made in this run"] == told(
        [*new, old[2]], old[:2]
    )


def test_server_that_takes_no_good_client_is_one_line() -> None:
    """Where good clients do not get in any more, nothing is proved: one line, with what the first of them met."""
    old = [facts(name, "refused", "1.3") for name in ("expired", "revoked")]
    old.append(facts("bypass[no-server-name]", "held", "-", expected="held"))
    notes = (
        "a good client cannot be judged, so that nothing is proved: rejected by the server for expired",
        "nothing can be proved, as the first failure tells: rejected by the server for expired",
        "a good client does not get in: rejected by the server for expired",
    )
    new = [
        {**one, "seen": "undecided", "outcome": "deviates", "note": note} for one, note in zip(old, notes, strict=True)
    ]
    assert [
        "weaker: good clients do not get in any more, so that nothing is proved: rejected by the server for expired"
    ] == told(old, new)
    assert [] == [line for line in told(new, new) if line.startswith("weaker")]
    afterwards = {**new[2], "note": "afterwards a good client does not get in: rejected by the server"}
    assert ["weaker: bypass[no-server-name]: held -> undecided"] == told(old[2:], [afterwards])


def test_server_without_a_rule_is_one_line() -> None:
    """Where clients without a certificate get in now, the bypasses of that rule are left out, and that is not a second line."""
    bypass = facts("bypass[no-server-name]", "held", "-", expected="held")
    gone = {**bypass, "seen": "not applicable", "outcome": "left out", "note": NO_RULE}
    old = [facts("no-certificate", "refused"), bypass]
    assert ["weaker: no-certificate over TLS 1.3: refused -> accepted"] == told(
        old, [facts("no-certificate", "accepted"), gone]
    )
    assert [f"weaker: bypass[no-server-name]: no longer tested: {NO_RULE}"] == told(old, [old[0], gone])


def test_baseline_is_sorted_and_small(tmp_path: Path) -> None:
    """A line a check, sorted; nothing that changes from day to day; and reading gives back what was written."""
    results = [
        facts("valid", "accepted", expected="accepted", answer="HTTP 200"),
        facts("expired", "refused", "1.3", layer="tls", alert="certificate_expired", error="x", note="y"),
        facts("expired", "refused", "1.2", layer="http", answer="HTTP 400"),
        facts("bypass[headers]", "held", "-", expected="held"),
        facts("revoked", "-", outcome="left out", note="no key"),
    ]
    text = Snapshot.of(results).as_text()
    assert [
        "{",
        '  "baseline": 1,',
        '  "checks": {',
        '    "bypass[headers]": {"seen": "held"},',
        '    "expired 1.2": {"seen": "refused", "layer": "http", "by": "HTTP 400"},',
        '    "expired 1.3": {"seen": "refused", "layer": "tls", "by": "certificate_expired"},',
        '    "valid 1.3": {"seen": "accepted", "expected": "accepted"}',
        "  }",
        "}",
    ] == text.splitlines()
    path = tmp_path / "baseline.json"
    path.write_text(text, encoding="utf-8")
    assert text == read_snapshot(path).as_text()
    assert [] == compare(read_snapshot(path), Snapshot.of(results))


def test_update_keeps_what_was_not_run() -> None:
    """An update by a part of the checks leaves the others as they were."""
    old = Snapshot.of([facts("expired", "refused"), facts("revoked", "refused"), facts("sha1", "refused")])
    new = Snapshot.of([facts("expired", "accepted"), facts("sha1", "-", outcome="left out")])
    assert ["accepted", "refused", "refused"] == [state.seen for state in old.updated_by(new).checks.values()]


@pytest.mark.parametrize("format", [1, 2])
def test_reports_of_both_formats_are_read(tmp_path: Path, format: int) -> None:
    """A report of 0.1 can be compared with."""
    path = tmp_path / "old.json"
    path.write_text(json.dumps({"format": format, "results": [facts("expired", "refused")]}), encoding="utf-8")
    changes = compare(read_snapshot(path), Snapshot.of([facts("expired", "accepted")]))
    assert ["weaker: expired over TLS 1.3: refused -> accepted"] == list(map(str, changes))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "no such file or directory"),
        ("{", "it is not JSON"),
        ("[]", "it is neither a baseline nor a report of format 1 or 2"),
        ('{"format": 3}', "it is neither a baseline nor a report of format 1 or 2"),
        ('{"format": 2}', "an entry is not as it should be (KeyError('results'))"),
        ('{"baseline": 1, "checks": {"expired 1.3": 5}}', "an entry is not as it should be"),
    ],
)
def test_file_that_cannot_be_read_is_a_typed_error(tmp_path: Path, text: str | None, problem: str) -> None:
    """The error names the file, what is wrong with it, and how to write one."""
    path = tmp_path / "old.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidReport) as caught:
        read_snapshot(path)
    assert f"{path} cannot be compared: {problem}" in str(caught.value)
    assert "--mtls-baseline-update" in str(caught.value)


# --- as users run it -------------------------------------------------------------------------------------------------


INI = "[pytest]\naddopts = --strict-markers --strict-config -p mtls -p no:cacheprovider\nfilterwarnings = error\n"
CHOSEN = "no-certificate or client[expired-tls or client[valid-tls"
Conform = Callable[..., pytest.RunResult]


@pytest.fixture
def conform(
    pytester: pytest.Pytester,
    tmp_path: Path,
    mtls_ca: CertificateAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> Conform:
    """Run some of the conformance tests against a port, with a baseline."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini(INI)
    mtls_ca.write_to(tmp_path, name="ca")
    mtls_ca.issue_client().write_to(tmp_path, name="client")

    def run(port: int, *options: object, baseline: str = "base.json") -> pytest.RunResult:
        target = [f"--mtls-target=https://localhost:{port}", f"--mtls-ca={tmp_path}", f"--mtls-baseline={baseline}"]
        return pytester.runpytest("--pyargs", "pytest_mtls.conformance", "-k", CHOSEN, *target, *map(str, options))

    return run


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_weakened_server_is_red_with_one_line(
    conform: Conform, mtls_server_factory: Factory, pytester: pytest.Pytester, options: tuple[str, ...]
) -> None:
    """Written, green; verification made optional, red with one line and the tests that fail; undone, green."""
    good, weak = mtls_server_factory(), mtls_server_factory(client_certs="optional")
    written = conform(good.port, "--mtls-baseline-update", *options)
    written.assert_outcomes(passed=6, deselected=0 if options else ALL - 6)
    written.stdout.fnmatch_lines(["*base.json was written"])
    before = (pytester.path / "base.json").read_text(encoding="utf-8")
    assert 6 == before.count('"seen"')
    green = conform(good.port, *options)
    green.stdout.fnmatch_lines(["*mTLS since the baseline in base.json*", "nothing changed"], consecutive=True)
    assert pytest.ExitCode.OK == green.ret
    red = conform(weak.port, "--mtls-report=r.json", "--mtls-report=r.html", "--mtls-report=r.md", *options)
    assert pytest.ExitCode.TESTS_FAILED == red.ret
    red.assert_outcomes(failed=2, passed=4, deselected=0 if options else ALL - 6)
    red.stdout.fnmatch_lines(["regression: no-certificate over TLS 1.2 was refused (tls, *), and is accepted"])
    line = "weaker: no-certificate over TLS 1.2 and 1.3: refused -> accepted"
    assert [line] == [text for text in red.outlines if text.startswith(("weaker:", "stronger:", "changed:"))]
    report = json.loads((pytester.path / "r.json").read_text(encoding="utf-8"))
    validate(report)
    assert [{"kind": "weaker", "text": line.removeprefix("weaker: ")}] == report["changes"]
    for name in ("r.html", "r.md"):
        assert "What changed since the baseline" in (pytester.path / name).read_text(encoding="utf-8")
    assert before == (pytester.path / "base.json").read_text(encoding="utf-8")
    assert pytest.ExitCode.OK == conform(good.port, *options).ret


def test_lost_version_is_red_though_its_checks_are_skipped(conform: Conform, mtls_server_factory: Factory) -> None:
    """What is no longer tested fails the run, though every test passes or skips."""
    conform(mtls_server_factory().port, "--mtls-baseline-update")
    result = conform(mtls_server_factory(tls="1.2").port, "-q")
    result.assert_outcomes(passed=3, skipped=3, deselected=ALL - 6)
    assert pytest.ExitCode.TESTS_FAILED == result.ret
    result.stdout.fnmatch_lines(["weaker: *no-certificate*over TLS 1.3: no longer tested: *does not speak TLS 1.3"])


def test_update_writes_what_is_now(conform: Conform, mtls_server_factory: Factory, pytester: pytest.Pytester) -> None:
    """With the update, what got weaker is told, written, and no regression."""
    conform(mtls_server_factory().port, "--mtls-baseline-update")
    weak = mtls_server_factory(client_certs="optional")
    result = conform(weak.port, "--mtls-baseline-update")
    result.stdout.fnmatch_lines(["weaker: no-certificate over TLS 1.2 and 1.3: refused -> accepted"])
    assert "regression" not in result.stdout.str()
    assert '"no-certificate 1.3": {"seen": "accepted"}' in (pytester.path / "base.json").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--mtls-baseline=absent.json"], "absent.json cannot be compared: no such file or directory"),
        (["--mtls-baseline=base.txt"], "--mtls-baseline is 'base.txt', but it must be a file whose name ends in .json"),
        (["--mtls-baseline-update"], "--mtls-baseline-update: it needs --mtls-baseline FILE"),
        (["--mtls-baseline=no/base.json", "--mtls-baseline-update"], "a file in a directory that is there; no is not"),
    ],
)
def test_baseline_that_cannot_be_is_a_usage_error(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    """One line, and no test is run."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini(INI)
    result = pytester.runpytest("--mtls-target=https://localhost", *options)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    assert said in result.stderr.str()
