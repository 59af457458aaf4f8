"""Bypasses judged by a policy, in the form that the report of client cases has."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_mtls.bypasses import Bypass, Finding, Trial, Verdict, story
from pytest_mtls.conformance.policy import Policy
from pytest_mtls.conformance.run import Outcome

__all__ = ["BypassResult", "check_bypass", "report_id"]

_OUTCOMES = {
    Verdict.HELD: Outcome.CONFORMS,
    Verdict.BYPASSED: Outcome.DEVIATES,
    Verdict.UNDECIDED: Outcome.DEVIATES,
    Verdict.NOT_APPLICABLE: Outcome.LEFT_OUT,
}


def report_id(bypass: Bypass) -> str:
    """What a bypass is called among the cases of a report."""
    return f"bypass[{bypass.id}]"


@dataclass(frozen=True)
class BypassResult:
    """What one bypass came to, by the policy.

    Attributes:
        finding: what was found.
        outcome: what it comes to.
        note: why.
    """

    finding: Finding
    outcome: Outcome
    note: str

    def story(self) -> str:
        """All that is to be told of it."""
        return story(self.finding) if not self.note else f"{self.note}\n{story(self.finding)}"

    def facts(self) -> dict[str, str | int]:
        """The same for machines; without what is not known."""
        bypass = self.finding.bypass
        facts = {
            "case": report_id(bypass),
            "tls": "-",
            "theme": "bypasses",
            "title": bypass.title,
            "advisories": " ".join(bypass.cves),
            "requires": " ".join(sorted(bypass.requires)),
            "expected": Verdict.HELD.value,
            "seen": self.finding.verdict.value,
            "outcome": self.outcome.value,
            "note": self.note or self.finding.note,
        }
        return {name: value for name, value in facts.items() if value}


def check_bypass(trial: Trial, policy: Policy, bypass: Bypass) -> BypassResult:
    """Try one bypass, and judge it."""
    finding = trial.check(bypass)
    outcome, note = _OUTCOMES[finding.verdict], ""
    agreed = policy.exception_for(report_id(bypass), "-")
    if agreed is not None and outcome is Outcome.CONFORMS:
        outcome = Outcome.EXCEPTION_GONE
        note = f"the policy says that it is bypassed ({agreed.reason}), which no longer happens: remove that"
    elif agreed is not None and finding.verdict is Verdict.BYPASSED:
        outcome, note = Outcome.EXCEPTED, agreed.reason
    return BypassResult(finding, outcome, note)
