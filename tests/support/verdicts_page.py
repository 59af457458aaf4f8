"""The tables of docs/reference/verdicts.md, made of the judge's own rules and of what answers and alerts mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_mtls.client.protocols.meanings import MEANINGS
from pytest_mtls.reasons.alert_meaning import ALERT_MEANINGS
from pytest_mtls.verdict.judge import RULES

__all__ = ["SHOWN_BY", "as_markdown"]

#: By rule, the file and the test that shows it before a real server.
SHOWN_BY: Mapping[str, tuple[str, str]] = {
    "good-client-not-accepted": ("verdict/test_twins.py", "test_denial_by_name_proves_nothing_about_a_certificate"),
    "good-client-not-accepted-afterwards": ("verdict/test_twins.py", "test_server_that_bans_who_comes_often"),
    "undecided": ("verdict/test_assertions.py", "test_assert_accepted_fails_without_a_verdict"),
    "accepted-as-expected": (
        "servers/test_asked_after_the_request.py",
        "test_good_client_is_accepted_after_the_request",
    ),
    "rejected-instead-of-accepted": (
        "verdict/test_assertions.py",
        "test_assert_accepted_fails_for_a_refused_client",
    ),
    "accepted-instead-of-rejected": (
        "verdict/test_examples.py",
        "test_denial_by_subject_hides_no_server_that_does_not_verify",
    ),
    "rejected-by-the-other-side": (
        "server/test_late_clients.py",
        "test_the_verdict_on_each_bad_server_is_what_the_client_itself_reports",
    ),
    "namesake-denied-as-well": ("verdict/test_twins.py", "test_denial_by_the_issuers_name_proves_nothing"),
    "denied-but-not-its-twin": ("servers/test_servers.py", "test_every_client_comes_to_every_server"),
    "rejected-for-another-reason": ("verdict/test_assertions.py", "test_assert_rejected_fails_for_another_reason"),
    "certificate-not-presented": ("verdict/test_examples.py", "test_reset_is_no_rejection_for_a_certificate"),
    "rejected-as-expected": (
        "servers/test_asked_after_the_request.py",
        "test_bad_client_is_rejected_after_the_request",
    ),
}


def as_markdown() -> str:
    """All tables."""
    return "\n".join(_lines()).rstrip("\n")


def _lines() -> Iterator[str]:
    yield "## Rules of the judge"
    yield ""
    yield "In this order; the first that applies decides. Each has a row in `tests/verdict/test_judge.py`, where it is also"
    yield "switched off, and a test before a real server."
    yield ""
    yield "| rule | the expectation is met | what was seen, and what it means | shown by |"
    yield "|---|---|---|---|"
    for rule in RULES:
        path, test = SHOWN_BY[rule.id]
        yield f"| `{rule.id}` | {'yes' if rule.is_met else 'no'} | {rule.meaning} | `{test}` in `tests/{path}` |"
    yield ""
    yield "## Answers of an application"
    yield ""
    yield "By layer; the first pattern that the whole answer matches decides. `tests/client/test_meanings.py` has an example of each."
    yield ""
    yield "| layer | answer | means | source |"
    yield "|---|---|---|---|"
    for row in MEANINGS:
        pattern = row.pattern.replace("|", "\\|")
        yield f"| {row.layer} | `{pattern}` | {row.means.value} | {row.source} |"
    yield ""
    yield "## Alerts"
    yield ""
    yield "What an alert may stand for, by RFC 8446 section 6.2 and by what correct stacks were seen to send. A rejection counts"
    yield "for a reason only if its alert may stand for it; `tests/servers/test_servers.py` shows each stack's. The alert"
    yield "access_denied counts only where a good client of the same names gets in."
    yield ""
    yield "| alert | reason | seen in |"
    yield "|---|---|---|"
    for meaning in ALERT_MEANINGS:
        alert = meaning.alert.name.lower()
        yield from (f"| {alert} | {reason.words} | {', '.join(seen)} |" for reason, seen in meaning.seen.items())
        others = sorted(reason.words for reason in (meaning.allowed | {meaning.says}) - set(meaning.seen))
        if others:
            yield f"| {alert} | {', '.join(others)} | - |"
    yield ""
    yield "What each is for:"
    yield ""
    for meaning in ALERT_MEANINGS:
        yield from (meaning.alert.name.lower(), f": {meaning.allowed_by}", "")
