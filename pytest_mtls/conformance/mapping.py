"""Which published requirements a check is evidence for: the requirements, and the rules that tie checks to them, as data.

A requirement is here only if its text was read, and a rule says no more than that text: what is merely in the same spirit is
left out. A check is evidence, not proof: it shows what one server or client did on one day. Cases that must be accepted, and
those where both answers can be right, are evidence for nothing.
"""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_mtls.bypasses import BYPASSES
from pytest_mtls.cases import CATALOGUE, Tier
from pytest_mtls.cases.case import Case
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import Side

__all__ = ["REQUIREMENTS", "RULES", "Requirement", "Rule", "Source", "mapped", "requirements_of"]


@dataclass(frozen=True)
class Source:
    """A document that holds requirements.

    Attributes:
        name: what it is called, with its version.
        title: its whole title.
        url: where to read it.
    """

    name: str
    title: str
    url: str


@dataclass(frozen=True)
class Requirement:
    """One requirement of a source.

    Attributes:
        source: the document.
        section: where it stands there.
        says: what it asks for, in our words.
    """

    source: Source
    section: str
    says: str

    @property
    def id(self) -> str:
        """The source and the section: the name of it in a report."""
        return f"{self.source.name}, {self.section}"


@dataclass(frozen=True)
class Rule:
    """Which checks are evidence for a requirement: those of the ids, and of the side's bad cases those of the reasons.

    Attributes:
        requirement: the requirement.
        side: whose cases the reasons select: "client" for bad clients, "server" for bad servers; None for both.
        reasons: why the case has to be rejected.
        ids: globs over the ids of checks as a report has them, such as ``check[[]tls-1.0]`` or ``bypass[[]without-tls]``.
        is_of_the_rule: whether the bypasses that are about the target's own rule count, which is that a client has a certificate.
    """

    requirement: Requirement
    side: Side | None = None
    reasons: frozenset[Reason] = frozenset()
    ids: tuple[str, ...] = ()
    is_of_the_rule: bool = False


RFC_9325 = Source(
    "RFC 9325",
    "Recommendations for Secure Use of TLS and DTLS (BCP 195)",
    "https://www.rfc-editor.org/rfc/rfc9325.html",
)
NIST = Source(
    "NIST SP 800-52r2",
    "Guidelines for the Selection, Configuration, and Use of TLS Implementations",
    "https://doi.org/10.6028/NIST.SP.800-52r2",
)
ASVS = Source(
    "OWASP ASVS 5.0",
    "Application Security Verification Standard, chapter V12 Secure Communication",
    "https://github.com/OWASP/ASVS/blob/v5.0.0/5.0/en/0x21-V12-Secure-Communication.md",
)
PCI = Source(
    "PCI DSS 4.0.1",
    "Payment Card Industry Data Security Standard",
    "https://www.pcisecuritystandards.org/document_library/",
)

#: Whose certificate was issued by nobody that is trusted, or by somebody who may not issue it (RFC 5280 section 6).
_UNTRUSTED = frozenset(
    {
        Reason.UNKNOWN_CA,
        Reason.SELF_SIGNED,
        Reason.BAD_SIGNATURE,
        Reason.INVALID_CA,
        Reason.PATH_LENGTH_EXCEEDED,
        Reason.NAME_CONSTRAINT_VIOLATED,
    }
)
_OUT_OF_DATE = frozenset({Reason.EXPIRED, Reason.NOT_YET_VALID})
#: What RFC 5280 section 6 rejects besides: what the path validation of a certificate covers.
_PATH = _UNTRUSTED | _OUT_OF_DATE | {Reason.UNKNOWN_CRITICAL_EXTENSION}
_CRL = frozenset(
    {
        Reason.CRL_MISSING,
        Reason.CRL_EXPIRED,
        Reason.CRL_NOT_YET_VALID,
        Reason.CRL_BAD_SIGNATURE,
        Reason.CRL_ISSUER_INVALID,
    }
)
_CERTIFICATE = _PATH | {
    Reason.WRONG_PURPOSE,
    Reason.REVOKED,
    Reason.MALFORMED_CERTIFICATE,
    Reason.PROFILE_VIOLATED,
    Reason.WEAK_KEY,
    Reason.WEAK_SIGNATURE,
}


def _check(*names: str) -> tuple[str, ...]:
    return tuple(f"check[[]{name}]" for name in names)


def _bypass(*names: str) -> tuple[str, ...]:
    return tuple(f"bypass[[]{name}]" for name in names)


#: In the order of their sources and sections.
RULES: tuple[Rule, ...] = (
    Rule(
        Requirement(
            RFC_9325, "section 3.1.1", "TLS 1.0 and 1.1 are not negotiated; 1.2 is supported, and 1.3 should be."
        ),
        ids=_check("tls-*"),
    ),
    Rule(
        Requirement(
            RFC_9325,
            "section 3.2",
            "Where a protocol can be spoken without TLS, a policy forbids that; STARTTLS takes no injected commands.",
        ),
        ids=_bypass("without-tls", "bytes-before-tls", "plain-bytes-and-end"),
    ),
    Rule(
        Requirement(RFC_9325, "section 3.4", "A resumed session is as secure as the handshake that it began with."),
        ids=_bypass("resume-*"),
    ),
    Rule(
        Requirement(RFC_9325, "section 3.9", "All servers of the same service provide equivalent levels of security."),
        ids=_bypass("every-listener"),
    ),
    Rule(
        Requirement(
            RFC_9325,
            "section 4.1",
            "No cipher suite without encryption, with RC4 or of less than 112 bits is negotiated.",
        ),
        ids=_check("weak-cipher-suites"),
    ),
    Rule(
        Requirement(RFC_9325, "section 4.5", "SHA-1 and MD5 are not used, and no curve of less than 224 bits."),
        reasons=frozenset({Reason.WEAK_SIGNATURE}),
        ids=("p192",),
    ),
    Rule(
        Requirement(
            RFC_9325,
            "section 7.1",
            "A client compares the host's name, and verifies the whole certification path (RFC 5280).",
        ),
        side="server",
        reasons=_PATH | {Reason.HOSTNAME_MISMATCH},
    ),
    Rule(
        Requirement(RFC_9325, "section 7.5", "An implementation has a strategy to distrust revoked certificates."),
        reasons=frozenset({Reason.REVOKED}),
    ),
    Rule(
        Requirement(
            NIST,
            "section 3.1",
            "A server only for government offers TLS 1.2, should offer 1.3, should not offer 1.1, and does not offer 1.0.",
        ),
        ids=_check("tls-*"),
    ),
    Rule(
        Requirement(ASVS, "12.1.1", "Only the recommended versions of TLS are enabled, such as 1.2 and 1.3."),
        ids=_check("tls-*"),
    ),
    Rule(
        Requirement(ASVS, "12.1.2", "Only recommended cipher suites are enabled."),
        ids=_check("weak-cipher-suites"),
    ),
    Rule(
        Requirement(
            ASVS, "12.1.3", "A client's certificate is validated as trusted before the identity in it is used."
        ),
        side="client",
        reasons=_CERTIFICATE | {Reason.POSSESSION_NOT_PROVED},
        ids=_bypass("client-of-a-ca-for-servers", "identity-headers-of-the-client"),
    ),
    Rule(
        Requirement(ASVS, "12.1.4", "Revocation of certificates is enabled and configured."),
        reasons=_CRL | {Reason.REVOKED},
    ),
    Rule(
        Requirement(
            ASVS,
            "12.3.1",
            "An encrypted protocol is used for all connections, and a server does not fall back to none.",
        ),
        ids=_bypass("without-tls", "bytes-before-tls", "plain-bytes-and-end"),
    ),
    Rule(
        Requirement(ASVS, "12.3.2", "A TLS client validates the certificate that it receives before it communicates."),
        side="server",
        reasons=_CERTIFICATE | _CRL | {Reason.HOSTNAME_MISMATCH, Reason.POSSESSION_NOT_PROVED},
    ),
    Rule(
        Requirement(ASVS, "12.3.4", "Between internal services, only particular CAs or certificates are trusted."),
        reasons=_UNTRUSTED,
        ids=_bypass("client-of-a-ca-for-servers"),
    ),
    Rule(
        Requirement(
            ASVS,
            "12.3.5",
            "Services inside a system verify each other by strong authentication, such as TLS client certificates.",
        ),
        side="client",
        reasons=frozenset({Reason.NO_CERTIFICATE, Reason.POSSESSION_NOT_PROVED}),
        is_of_the_rule=True,
    ),
    Rule(
        Requirement(PCI, "4.2.1, first bullet", "Only trusted keys and certificates are accepted."),
        reasons=_UNTRUSTED,
        ids=_bypass("client-of-a-ca-for-servers"),
    ),
    Rule(
        Requirement(PCI, "4.2.1, second bullet", "Certificates are confirmed as valid, not expired and not revoked."),
        reasons=_OUT_OF_DATE | {Reason.REVOKED},
        ids=_check("server-certificate-expires-soon"),
    ),
    Rule(
        Requirement(
            PCI, "4.2.1, third bullet", "No insecure versions, algorithms, key sizes or implementations are supported."
        ),
        reasons=frozenset({Reason.WEAK_KEY, Reason.WEAK_SIGNATURE}),
        ids=_check("tls-1.0", "tls-1.1", "weak-cipher-suites"),
    ),
)

#: By their ids.
REQUIREMENTS: Mapping[str, Requirement] = {rule.requirement.id: rule.requirement for rule in RULES}


def requirements_of(check: str, side: Side) -> tuple[Requirement, ...]:
    """The requirements that a check is evidence for.

    Args:
        check: its id as a report has it: that of a case, ``bypass[...]`` or ``check[...]``.
        side: whose case it is, where it is one.
    """
    return _requirements(check, side, _binding_cases(side))


def _binding_cases(side: Side) -> dict[str, Case]:
    """By id, the cases that a peer has to reject, under a setting or always."""
    return {case.id: case for case in CATALOGUE[side].select("*") if case.tier in (Tier.MUST, Tier.SETTING)}


def _requirements(check: str, side: Side, cases: Mapping[str, Case]) -> tuple[Requirement, ...]:
    return tuple(rule.requirement for rule in RULES if _is_evidence(rule, check, side, cases))


def _is_evidence(rule: Rule, check: str, side: Side, cases: Mapping[str, Case]) -> bool:
    if check.startswith(("bypass[", "check[")):
        # They are about a server under test. What a client's own checks are about, no source names.
        bypass = BYPASSES.get(check[len("bypass[") : -1])
        is_named = any(fnmatch.fnmatchcase(check, pattern) for pattern in rule.ids)
        return side == "client" and (is_named or (rule.is_of_the_rule and bypass is not None and bypass.is_of_the_rule))
    case = cases.get(check)
    if case is None:
        return False
    return case.id in rule.ids or (rule.side in (None, side) and not rule.reasons.isdisjoint(case.reasons))


def mapped(document: Mapping[str, Any]) -> dict[str, Any]:
    """A report with the requirements that its checks are evidence for.

    Args:
        document: of `pytest_mtls.conformance.reports.document.make_document`.

    Returns:
        The same document, in which each result names its requirements, and ``requirements`` counts the results of each. What
        was left out, or is only reported, counts apart: it is evidence for nothing.
    """
    side: Side = "server" if "command" in document["target"] else "client"
    cases = _binding_cases(side)
    results = []
    for facts in document["results"]:
        ids = [requirement.id for requirement in _requirements(str(facts["case"]), side, cases)]
        results.append({**facts, "requirements": ids} if ids else dict(facts))
    return {**document, "requirements": list(_told(results)), "results": results}


def _told(results: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    counts: dict[str, Counter[str]] = {}
    for facts in results:
        for id in facts.get("requirements", ()):
            counts.setdefault(id, Counter())[_kind(Outcome(facts["outcome"]))] += 1
    for id, requirement in REQUIREMENTS.items():
        if id in counts:
            yield {
                "id": id,
                "source": requirement.source.name,
                "section": requirement.section,
                "says": requirement.says,
                "url": requirement.source.url,
                **{kind: counts[id][kind] for kind in ("as_expected", "failed", "agreed", "not_evidence")},
            }


def _kind(outcome: Outcome) -> str:
    if outcome.is_failure:
        return "failed"
    return {Outcome.CONFORMS: "as_expected", Outcome.EXCEPTED: "agreed"}.get(outcome, "not_evidence")
