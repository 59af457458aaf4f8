"""What the words of each stack mean, and where it departs from the catalogue, each with the reason why."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from support.other_stacks import Verdicts

from pytest_mtls import Case, Reason
from pytest_mtls.cases.listing import select, verdict_of

__all__ = ["DEPARTURES", "OTHER_CAUSES", "as_markdown", "cause", "departs"]

_CRL = {Reason.CRL_MISSING, Reason.CRL_EXPIRED, Reason.CRL_NOT_YET_VALID, Reason.CRL_BAD_SIGNATURE}
_CRL |= {Reason.CRL_ISSUER_INVALID, Reason.CRL_NOT_APPLICABLE}

#: Stack -> what it may say, and for which reasons; the first match counts. What matches nothing tells no cause.
WORDS: Mapping[str, Sequence[tuple[str, set[Reason]]]] = {
    "GnuTLS": (
        ("is revoked", {Reason.REVOKED}),
        ("uses expired", {Reason.EXPIRED}),
        ("not yet valid", {Reason.NOT_YET_VALID}),
        ("insecure algorithm", {Reason.WEAK_SIGNATURE}),
        ("signer's constraints", {Reason.INVALID_CA, Reason.NAME_CONSTRAINT_VIOLATED, Reason.PATH_LENGTH_EXCEEDED}),
        ("unknown critical extension", {Reason.UNKNOWN_CRITICAL_EXTENSION}),
        ("issuer is not a CA", {Reason.INVALID_CA}),
        ("issuer is unknown", {Reason.UNKNOWN_CA, Reason.SELF_SIGNED}),
        ("name in the certificate does not match", {Reason.HOSTNAME_MISMATCH}),
        ("signature in the certificate is invalid", {Reason.BAD_SIGNATURE}),
        ("intended purpose|Key usage violation", {Reason.WRONG_PURPOSE}),
        ("signature verification has failed", {Reason.POSSESSION_NOT_PROVED}),
        ("data size is too large", {Reason.CHAIN_TOO_LONG}),
    ),
    "Java": (
        ("has been revoked", {Reason.REVOKED}),
        ("NotAfter", {Reason.EXPIRED}),
        ("NotBefore", {Reason.NOT_YET_VALID}),
        ("determine revocation status", _CRL),
        ("not a CA certificate|keyCertSign bit is not set", {Reason.INVALID_CA}),
        ("pathLenConstraint violated", {Reason.PATH_LENGTH_EXCEEDED}),
        ("name constraints check failed", {Reason.NAME_CONSTRAINT_VIOLATED}),
        ("unrecognized critical extension", {Reason.UNKNOWN_CRITICAL_EXTENSION}),
        ("Extended key usage does not permit|KeyUsage does not allow", {Reason.WRONG_PURPOSE}),
        ("signature check failed|Signature algorithm mismatch", {Reason.BAD_SIGNATURE}),
        ("does not chain|unable to find valid|Empty issuer DN", {Reason.UNKNOWN_CA, Reason.SELF_SIGNED}),
        ("No subject alternative", {Reason.HOSTNAME_MISMATCH}),
        ("Invalid CertificateVerify|Invalid ECDH ServerKeyExchange", {Reason.POSSESSION_NOT_PROVED}),
        ("on signature algorithm", {Reason.WEAK_SIGNATURE}),
        ("keysize limits", {Reason.WEAK_KEY}),
        ("policy tree", {Reason.POLICY_VIOLATED}),
        ("exceeds the maximum allowed size", {Reason.CHAIN_TOO_LONG}),
        ("MUST be marked critical|for version 1 certificate", {Reason.PROFILE_VIOLATED}),
    ),
    "Node": (
        ("CERT_REVOKED", {Reason.REVOKED}),
        ("CERT_HAS_EXPIRED", {Reason.EXPIRED}),
        ("CERT_NOT_YET_VALID", {Reason.NOT_YET_VALID}),
        ("CERT_SIGNATURE_FAILURE", {Reason.BAD_SIGNATURE}),
        ("CRL_HAS_EXPIRED", {Reason.CRL_EXPIRED}),
        ("CRL_NOT_YET_VALID", {Reason.CRL_NOT_YET_VALID}),
        ("CRL_SIGNATURE_FAILURE", {Reason.CRL_BAD_SIGNATURE}),
        ("UNABLE_TO_GET_CRL", {Reason.CRL_MISSING}),
        ("INVALID_CA", {Reason.INVALID_CA}),
        ("INVALID_PURPOSE", {Reason.WRONG_PURPOSE}),
        ("PATH_LENGTH_EXCEEDED", {Reason.PATH_LENGTH_EXCEEDED}),
        ("UNABLE_TO_VERIFY_LEAF", {Reason.UNKNOWN_CA}),
        ("ALTNAME_INVALID", {Reason.HOSTNAME_MISMATCH}),
        ("BAD_SIGNATURE|OCTET_INVALID", {Reason.POSSESSION_NOT_PROVED}),
        ("EXCESSIVE_MESSAGE_SIZE", {Reason.CHAIN_TOO_LONG}),
        ("subtree violation", {Reason.NAME_CONSTRAINT_VIOLATED}),
        ("unhandled critical CRL", {Reason.CRL_NOT_APPLICABLE}),
        ("unhandled critical", {Reason.UNKNOWN_CRITICAL_EXTENSION}),
        ("does not include CRL signing", {Reason.CRL_ISSUER_INVALID}),
        ("unsupported or invalid name|unsupported name constraint", {Reason.NAME_CONSTRAINT_VIOLATED}),
        ("does not include certificate signing", {Reason.INVALID_CA}),
        ("digest algorithm too weak", {Reason.WEAK_SIGNATURE}),
    ),
    "curl": (
        ("certificate revoked", {Reason.REVOKED}),
        ("certificate has expired", {Reason.EXPIRED}),
        ("certificate is not yet valid", {Reason.NOT_YET_VALID}),
        ("CRL has expired", {Reason.CRL_EXPIRED}),
        ("CRL is not yet valid", {Reason.CRL_NOT_YET_VALID}),
        ("get certificate CRL", {Reason.CRL_MISSING}),
        ("CRL signing", {Reason.CRL_ISSUER_INVALID}),
        ("unsupported or invalid name|unsupported name constraint", {Reason.NAME_CONSTRAINT_VIOLATED}),
        ("self-signed certificate$", {Reason.SELF_SIGNED}),
        ("local issuer certificate|self-signed certificate in", {Reason.UNKNOWN_CA}),
        ("invalid CA certificate", {Reason.INVALID_CA}),
        ("path length constraint", {Reason.PATH_LENGTH_EXCEEDED}),
        ("subtree violation", {Reason.NAME_CONSTRAINT_VIOLATED}),
        ("unhandled critical extension", {Reason.UNKNOWN_CRITICAL_EXTENSION}),
        ("unhandled critical CRL|different CRL scope", {Reason.CRL_NOT_APPLICABLE}),
        ("unsuitable certificate purpose", {Reason.WRONG_PURPOSE}),
        ("no alternative certificate subject name|certificate subject name", {Reason.HOSTNAME_MISMATCH}),
        ("SSL routines::bad signature|octet invalid", {Reason.POSSESSION_NOT_PROVED}),
        ("excessive message size", {Reason.CHAIN_TOO_LONG}),
        ("key too weak", {Reason.WEAK_KEY}),
        ("digest algorithm too weak", {Reason.WEAK_SIGNATURE}),
    ),
}

_NO_PURPOSE = "`gnutls-serv` asks for no purpose when it verifies a client, and so looks at no extended key usage"
_NAME_KINDS = (
    "GnuTLS compares URIs and directory names with no permitted subtree; an excluded one rejects every such name"
)
_NAMES_OF_CAS = (
    "GnuTLS compares name constraints with the names of the end entity only, not with those of the CAs in between"
)
_NO_POLICIES = "GnuTLS processes no policies, and so rejects a certificate that demands it"
_THE_LAST = "Node goes on after an error and tells the last that it meets"
_LOOSE_WILDCARD = "JSSE compares the labels of a host name with the wildcards where they stand"

#: (stack, side, case) -> why the stack departs from what any correct peer does.
DEPARTURES: Mapping[tuple[str, str, str], str] = {
    **{("GnuTLS", side, "uri-not-permitted"): _NAME_KINDS for side in ("client", "server")},
    **{("GnuTLS", side, "directory-name-not-permitted"): _NAME_KINDS for side in ("client", "server")},
    **{("GnuTLS", side, "intermediate-name-excluded"): _NAMES_OF_CAS for side in ("client", "server")},
    ("GnuTLS", "client", "server-only"): _NO_PURPOSE,
    ("GnuTLS", "client", "email-only"): _NO_PURPOSE,
    ("GnuTLS", "client", "code-signing-only"): _NO_PURPOSE,
    ("GnuTLS", "client", "intermediate-for-the-other-side"): _NO_PURPOSE,
    **{
        (
            "Java",
            side,
            "intermediate-for-the-other-side",
        ): "JSSE looks only at the extended key usage of the end entity"
        for side in ("client", "server")
    },
    ("Java", "server", "wildcard-not-leftmost"): _LOOSE_WILDCARD,
    ("Java", "server", "wildcard-twice"): _LOOSE_WILDCARD,
}

#: (stack, case) -> why it says another cause than the catalogue, on either side.
OTHER_CAUSES: Mapping[tuple[str, str], str] = {
    ("Node", "validity-reversed"): f"both are true, and {_THE_LAST}",
    ("Node", "self-signed-certificate"): f"there is no CRL of an unknown issuer, and {_THE_LAST}",
    ("Node", "unknown-ca-with-root"): f"there is no CRL of an unknown issuer, and {_THE_LAST}",
    ("Node", "crl-of-attribute-certificates"): f"a CRL of another scope counts as none, and {_THE_LAST}",
    **{("GnuTLS", id): _NO_POLICIES for id in ("policy-missing", "policy-of-another", "any-policy-inhibited")},
    ("GnuTLS", "explicit-curve-intermediate"): "GnuTLS reads no such key, and calls it an insecure algorithm",
    (
        "GnuTLS",
        "issuer-key-of-another-kind",
    ): "GnuTLS finds the issuer by its name, and then that it cannot have signed",
    ("Java", "issuer-key-of-another-kind"): "JSSE finds the issuer by its name, and then that it cannot have signed",
    ("Node", "chain-of-120"): f"some of these CAs have no CRL, and {_THE_LAST}",
    ("Node", "issued-by-leaf"): f"what is not a CA's certificate is not for that purpose either, and {_THE_LAST}",
    (
        "Node",
        "version-1-intermediate",
    ): f"what is not a CA's certificate is not for that purpose either, and {_THE_LAST}",
}


#: Stack, side and case -> what the table says, where the updates of one Debian release judge an informative case differently.
VARIES: Mapping[tuple[str, str, str], str] = {
    ("Java", "server", "wildcard-over-excluded-name"): "rejects (before 17.0.21: accepts)",
}


def cause(stack: str, said: str) -> set[Reason] | None:
    """The reasons that a stack's words stand for; None if they tell no cause."""
    return next((reasons for words, reasons in WORDS[stack] if re.search(words, said)), None)


def departs(case: Case, accepted: bool | None) -> bool:
    """Whether a verdict is another than that of any correct peer. What takes a setting is not a departure."""
    return accepted is not None and not case.requires and case.accepted is not None and accepted != case.accepted


def as_markdown(verdicts: Mapping[str, Verdicts]) -> str:
    """The tables for docs/reference/stacks.md."""
    lines: list[str] = []
    for side, title in (("client", "Clients, judged by servers"), ("server", "Servers, judged by clients")):
        stacks = [stack for stack, said in verdicts.items() if side in said]
        lines += [f"## {title}", "", f"| case | catalogue | {' | '.join(stacks)} |", "|---" * (len(stacks) + 2) + "|"]
        for case in select(side=side):  # type: ignore[arg-type]
            found = [verdicts[stack][side].get(case.id) for stack in stacks]
            if any(found):
                accepted = [None if one is None else one.accepted for one in found]
                cells = [
                    VARIES.get((stack, side, case.id)) or _cell(case, one)
                    for stack, one in zip(stacks, accepted, strict=True)
                ]
                lines.append(f"| `{case.id}` | {verdict_of(case)} | {' | '.join(cells)} |")
        lines.append("")
    lines += ["## Departures", ""]
    for (stack, side, id), why in DEPARTURES.items():
        lines += [f"{stack}, {side} `{id}`", f": {why[0].upper() if why[0] != '`' else why[0]}{why[1:]}.", ""]
    lines += ["## Other causes", ""]
    for (stack, id), why in OTHER_CAUSES.items():
        lines += [f"{stack}, `{id}`", f": {why[0].upper()}{why[1:]}.", ""]
    return "\n".join(lines).rstrip("\n")


def _cell(case: Case, accepted: bool | None) -> str:
    word = {True: "accepts", False: "rejects", None: "-"}[accepted]
    return f"**{word}**" if departs(case, accepted) else word
