"""Where judges of the catalogue disagree, each with the reason why. A test holds the table against what they say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.certificate_judges import Subject, by_cryptography, by_openssl
from support.openssl_verdicts import expected_refusal

from pytest_mtls import Case, CertificateAuthority
from pytest_mtls.cases.listing import verdict_of

__all__ = ["EXPLANATIONS", "Row", "as_markdown", "rows"]

_SHAPE = "cryptography holds to the profile of the web's CAs, which is narrower than what OpenSSL checks"
_NO_KEY_STRENGTH = "cryptography looks at the keys that sign certificates, and does not look at an end entity's own key"
_KEY_OF_HANDSHAKE = "the certificate is sound; it is the handshake that fails, since TLS signature algorithms of this key are not offered"
_IDENTIFIERS = "no step of RFC 5280's validation looks at key identifiers, which are for finding an issuer"

_POLICIES = (
    "OpenSSL processes policies only when it is asked to, which Python's `ssl` cannot do. cryptography processes none, and "
    "rejects what demands it"
)
_WHOLE_NAMES = "OpenSSL compares the end of a name with the constraint; cryptography wants the whole name to be one"

#: Case id -> why the judges disagree about it, on either side.
EXPLANATIONS: Mapping[str, str] = {
    "brainpool-p256": f"{_KEY_OF_HANDSHAKE}. cryptography has no such restriction for an end entity",
    "p224": f"{_KEY_OF_HANDSHAKE}. cryptography has no such restriction for an end entity",
    "secp256k1": f"{_KEY_OF_HANDSHAKE}. cryptography has no such restriction for an end entity",
    "p192": f"{_NO_KEY_STRENGTH}. OpenSSL's security level 2 wants 224 bits of an elliptic curve",
    "rsa-1024": f"{_NO_KEY_STRENGTH}. OpenSSL's security level 2 wants 2048 bits of RSA",
    "valid": "cryptography wants a subject alternative name of every client, and our ordinary one has none. RFC 5280 does not",
    "no-alternative-name": "cryptography wants a subject alternative name of every client. RFC 5280 does not",
    "common-name-only": (
        "OpenSSL still takes the common name where there is no alternative name, as RFC 2818 had it; "
        "RFC 9525 section 2 forbids that, and cryptography never does it"
    ),
    "empty-alternative-names": "cryptography asks whether the extension is there, and not whether it holds a name",
    "through-nine-intermediates": "cryptography builds chains of at most eight intermediates unless it is told otherwise",
    "chain-of-200-kb": (
        "the certificates are sound; a TLS peer takes no message that long, and OpenSSL's limit is about 100 kB"
    ),
    "intermediate-without-authority-key-identifier": (
        f"{_IDENTIFIERS}. OpenSSL's strict mode wants one everywhere but in roots, cryptography only in end entities"
    ),
    "intermediate-without-subject-key-identifier": f"{_IDENTIFIERS}. OpenSSL's strict mode wants one in every CA",
    "wrong-authority-key-identifier": f"{_IDENTIFIERS}. OpenSSL passes over an issuer whose own does not match",
    "key-encipherment-only": (
        "OpenSSL wants a client's key usage to allow signing or key agreement. cryptography does not look at the key usage of an end "
        "entity. A server may choose: over TLS 1.2 OpenSSL's own finds no cipher suite that it may use with the key"
    ),
    "key-agreement-only": "over TLS 1.2 OpenSSL's own server finds no cipher suite that it may use with the key",
    "ca-bit-on-leaf": f"{_SHAPE}: a CA's certificate is not an end entity's",
    "path-length-in-leaf": f"{_SHAPE}: a CA's certificate is not an end entity's",
    "ca-bit-without-cert-sign": f"{_SHAPE}: a CA's certificate is not an end entity's",
    "root-certificate-as-leaf": f"{_SHAPE}: a CA's certificate is not an end entity's",
    "name-constraints-in-leaf": f"{_SHAPE}: RFC 5280 section 4.2.1.10 has name constraints only in CA certificates",
    "version-1": f"{_SHAPE}: certificates are of version 3",
    "serial-number-of-40-bytes": f"{_SHAPE}: RFC 5280 section 4.1.2.2 allows 20 bytes, and asks readers to be lenient",
    "serial-number-negative": f"{_SHAPE}: RFC 5280 section 4.1.2.2 wants a positive number, and asks readers to be lenient",
    "wildcard-of-top-level-domain": (
        "OpenSSL wants two dots in a wildcard name; RFC 9525 does not, and cryptography knows no list of public suffixes"
    ),
    "critical-subject-key-identifier": (
        "RFC 5280 has no critical key identifiers. OpenSSL knows them as no extension that may be critical; cryptography reads "
        "past the mark in an end entity"
    ),
    "authority-key-identifier-without-key": f"{_IDENTIFIERS}. OpenSSL's strict mode wants the key itself to be named",
    "authority-key-identifier-of-another-serial-number": f"{_IDENTIFIERS}. OpenSSL compares the serial number where there is one",
    "cross-signed-without-authority-key-identifier": (
        f"{_IDENTIFIERS}. OpenSSL's strict mode wants one everywhere but in roots, cryptography only in end entities"
    ),
    "policy-missing": f"{_POLICIES}",
    "policy-of-another": f"{_POLICIES}",
    "any-policy-inhibited": f"{_POLICIES}",
    "policy-kept": f"{_POLICIES}",
    "critical-extended-key-usage": f"{_SHAPE}: extended key usage is not critical there",
    "crl-with-critical-number": "cryptography looks at no CRLs. OpenSSL knows the number as no extension that may be critical",
    "crl-that-is-indirect": "cryptography looks at no CRLs. OpenSSL passes over indirect ones unless it is told otherwise",
    "dns-constraint-with-leading-period": (
        "RFC 5280 has a leading period in constraints on URIs only. OpenSSL takes it for all hosts below, as many CAs mean it; "
        "cryptography rejects it"
    ),
    "constraints-without-subtrees": "RFC 5280 section 4.2.1.10 forbids CAs to issue them. cryptography rejects them, OpenSSL reads none",
    "constraints-of-empty-subtrees": "RFC 5280 section 4.2.1.10 forbids CAs to issue them. cryptography rejects them, OpenSSL reads none",
    "constrained-name-with-leading-period": f"{_WHOLE_NAMES}",
    "constrained-email-with-two-signs": f"{_WHOLE_NAMES}",
    "critical-names-beside-subject": f"{_SHAPE}: alternative names are critical only where there is no subject",
    "malformed-authority-information-access": (
        "validation as RFC 5280 has it never looks at the extension. cryptography parses all that it knows"
    ),
    "wildcard-over-excluded-name": (
        "RFC 5280 compares the name as it is written, which is not excluded; cryptography asks as well whether the wildcard "
        "could stand for an excluded host"
    ),
}


@dataclass(frozen=True)
class Row:
    """What each judge made of a case: accepted, rejected, or None where it cannot judge.

    Attributes:
        case: the case.
        tls: our own server or probe, over TLS 1.2 and 1.3.
        openssl: ``openssl verify`` with all settings on.
        cryptography: ``cryptography.x509.verification``.
    """

    case: Case
    tls: tuple[bool, ...]
    openssl: bool
    cryptography: bool | None

    @property
    def is_disagreement(self) -> bool:
        """Whether any judge differs from another, or from the catalogue."""
        said = {*self.tls, self.openssl, self.cryptography} - {None}
        return len(said) > 1 or (self.case.accepted is not None and said != {self.case.accepted})


def rows(subjects: list[Subject], ca: CertificateAuthority, openssl: Path) -> list[Row]:
    """What the judges made of each case."""
    by_program = by_openssl(subjects, ca, openssl)
    by_library = by_cryptography(subjects, ca)
    return [
        Row(
            subject.case,
            tuple(
                expected_refusal(subject.case, tls) is None for tls in ("1.2", "1.3") if subject.case.tls in (None, tls)
            ),
            by_program[subject.key].accepted,
            by_library[subject.key].accepted if subject.key in by_library else None,
        )
        for subject in subjects
    ]


def as_markdown(judged: list[Row]) -> str:
    """The table of disagreements for docs/explanation/judges.md, and the reasons below it."""
    disputed = [row for row in judged if row.is_disagreement]
    words = {True: "accepts", False: "rejects", None: "-"}
    lines = [
        "| case | side | catalogue | TLS with OpenSSL | `openssl verify` | cryptography |",
        "|---|---|---|---|---|---|",
    ]
    for row in disputed:
        over = sorted({words[accepted] for accepted in row.tls})
        tls = over[0] if len(over) == 1 else f"1.2 {words[row.tls[0]]}, 1.3 {words[row.tls[-1]]}"
        verdict = verdict_of(row.case)
        cells = (f"`{row.case.id}`", row.case.side, verdict, tls, words[row.openssl], words[row.cryptography])
        lines.append("| " + " | ".join(cells) + " |")
    lines.append("")
    for id in dict.fromkeys(row.case.id for row in disputed):
        reason = EXPLANATIONS.get(id, "not explained")
        sentence = reason if reason.startswith("cryptography") else reason[0].upper() + reason[1:]
        lines += [f"`{id}`", f": {sentence}.", ""]
    return "\n".join(lines[:-1])
