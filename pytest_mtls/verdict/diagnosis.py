"""Why a handshake ended as it did, and what to do: a table of symptoms, each with its evidence, cause and remedy.

A symptom uses all that is known here, which is more than the other side said: the certificates in hand, the trust that
was given, the name that was connected to. `SYMPTOMS` lists them in the order in which they are tried.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.validity import now
from pytest_mtls.client.plan import ProbePlan
from pytest_mtls.reasons.alert import Alert
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import opposite
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.transcript import was_sent
from pytest_mtls.verdict.chain import UNREADABLE, moment, one_line, parsed, span, typed_names
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.judge import judge

__all__ = ["CONNECTION_REUSED", "SYMPTOMS", "Diagnosis", "Facts", "Symptom", "client_not_called", "diagnose"]


#: They stand for whatever may be wrong with a certificate (RFC 8446 section 6.2).
_ALERTS_THAT_SAY_LITTLE = (Alert.HANDSHAKE_FAILURE, Alert.BAD_CERTIFICATE, Alert.CERTIFICATE_UNKNOWN)


@dataclass(frozen=True)
class Facts:
    """What is known of a handshake.

    Attributes:
        handshake: what was seen.
        expected: what it should have been; None if nothing was expected of it.
        plan: what the probe was asked to do; None where a server saw the handshake of somebody else's client.
        is_control: whether it is the handshake of the good client beside the one under test.
    """

    handshake: Handshake
    expected: Expected | None = None
    plan: ProbePlan | None = None
    is_control: bool = False

    @property
    def rejected_chain(self) -> list[x509.Certificate]:
        """The certificates of the side that was rejected, as far as they can be read."""
        seen = self.handshake
        return parsed(seen.server_chain_der if seen.rejected_by == "client" else seen.client_chain_der)

    @property
    def leaf(self) -> x509.Certificate | None:
        """The own certificate of the side that was rejected."""
        return next(iter(self.rejected_chain), None)

    @property
    def is_unexplained(self) -> bool:
        """Whether the rejecting side did not say why: by no alert, or by one that may stand for anything."""
        seen = self.handshake
        if seen.accepted is not False or seen.is_reason_exact:
            return False
        return seen.reason in (None, Reason.UNSPECIFIED) or seen.alert in _ALERTS_THAT_SAY_LITTLE


@dataclass(frozen=True)
class Diagnosis:
    """What is the likely cause, and what to do.

    Attributes:
        symptom: the id of the row in the table.
        cause: a sentence that ends in a full stop and begins in lower case.
        remedy: a sentence that says what to do; None if there is nothing to be done.
    """

    symptom: str
    cause: str
    remedy: str | None = None


@dataclass(frozen=True)
class Symptom:
    """One row of the table.

    Attributes:
        id: its name.
        evidence: whether it is what was seen.
        cause: the sentence about it, or a function that makes it.
        remedy: the same for what to do.
    """

    id: str
    evidence: Callable[[Facts], bool]
    cause: str | Callable[[Facts], str]
    remedy: str | Callable[[Facts], str] | None = None


# --- evidence --------------------------------------------------------------------------------------------------------


def _said(*texts: str) -> Callable[[Facts], bool]:
    def is_said(facts: Facts) -> bool:
        error = (facts.handshake.error or "").lower()
        return facts.handshake.accepted is None and any(text in error for text in texts)

    return is_said


def _accepted_for(*reasons: Reason) -> Callable[[Facts], bool]:
    def is_accepted(facts: Facts) -> bool:
        expected = facts.expected or Expected(accepted=False)
        return facts.handshake.accepted is True and any(reason in expected.reasons for reason in reasons)

    return is_accepted


def _expects_server(facts: Facts) -> bool:
    return facts.expected is None or facts.expected.by == "server"


def _asked_for_no_certificate(facts: Facts) -> bool:
    seen = facts.handshake
    is_whole = was_sent(seen.transcript, "server", "Finished")
    asked = was_sent(seen.transcript, "server", "CertificateRequest")
    return seen.accepted is True and _expects_server(facts) and not seen.resumed and is_whole and not asked


def _is_as_expected(facts: Facts) -> bool:
    return (
        facts.expected is not None
        and facts.handshake.accepted is False
        and judge(facts.expected, [facts.handshake]).is_met
    )


def _distrusts_server(facts: Facts) -> bool:
    seen = facts.handshake
    return seen.rejected_by == "client" and seen.reason in (Reason.UNKNOWN_CA, Reason.SELF_SIGNED)


def _client_used_system_trust(facts: Facts) -> bool:
    return _distrusts_server(facts) and facts.plan is not None and facts.plan.trust is None


def _missing_intermediate(facts: Facts) -> CertificateAuthority | None:
    """The CA, known here, that issued the last certificate which was sent, and is not one that stands for itself."""
    chain = facts.rejected_chain
    plan = facts.plan
    if not chain or plan is None or facts.handshake.accepted is not False:
        return None
    known = [ca for ca in (plan.issuer, *(plan.trust.authorities if plan.trust else ())) if ca is not None]
    last = chain[-1]
    for ca in known:
        is_issuer = ca.certificate.subject == last.issuer and last.subject != last.issuer
        is_root = ca.certificate.subject == ca.certificate.issuer
        if is_issuer and not is_root and ca.certificate not in chain:
            return ca
    return None


def _is_distrusted_without_intermediate(facts: Facts) -> bool:
    about_trust = {Reason.UNKNOWN_CA, Reason.UNSPECIFIED, None}
    return facts.handshake.reason in about_trust and _missing_intermediate(facts) is not None


def _is_visibly(defect: Callable[[x509.Certificate], bool]) -> Callable[[Facts], bool]:
    """Whether the certificate in hand has the defect, where the other side did not say why it rejected it."""

    def is_seen(facts: Facts) -> bool:
        try:
            return facts.is_unexplained and facts.leaf is not None and defect(facts.leaf)
        except UNREADABLE:
            return False

    return is_seen


def _is_expired(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_after_utc < now()


def _is_early(certificate: x509.Certificate) -> bool:
    return certificate.not_valid_before_utc > now()


def _lacks_purpose(facts: Facts) -> bool:
    wanted = (
        ExtendedKeyUsageOID.SERVER_AUTH if facts.handshake.rejected_by == "client" else ExtendedKeyUsageOID.CLIENT_AUTH
    )

    def lacks(certificate: x509.Certificate) -> bool:
        try:
            usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return False
        return wanted not in usage and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usage

    return _is_visibly(lacks)(facts)


def _is_of_unknown_issuer(facts: Facts) -> bool:
    """Whether the client's certificate is not from the CA whose clients this server is known to accept."""
    plan, leaf = facts.plan, facts.leaf
    if plan is None or plan.issuer is None or leaf is None or facts.handshake.rejected_by != "server":
        return False
    return facts.is_unexplained and leaf.issuer != plan.issuer.certificate.subject


def _did_not_send_its_certificate(facts: Facts) -> bool:
    seen, plan = facts.handshake, facts.plan
    has_one = plan is not None and plan.presents.identity is not None
    asked = was_sent(seen.transcript, "server", "CertificateRequest")
    return seen.rejected_by == "server" and has_one and asked and not seen.client_chain_der


def _is_address(name: str | None) -> bool:
    try:
        ip_address((name or "").strip("[]"))
    except ValueError:
        return False
    return True


def _has_address_as_dns_name(facts: Facts) -> bool:
    asked = facts.handshake.server_name or _connected_to(facts)
    if facts.handshake.reason is not Reason.HOSTNAME_MISMATCH or not _is_address(asked) or facts.leaf is None:
        return False
    return f"DNS:{asked}" in typed_names(facts.leaf)


def _is_denied(facts: Facts) -> bool:
    return facts.handshake.reason is Reason.ACCESS_DENIED and facts.handshake.layer not in (None, "tls")


def _is_rejected_by_the_other(facts: Facts) -> bool:
    seen, expected = facts.handshake, facts.expected
    return seen.accepted is False and expected is not None and not expected.accepted and seen.rejected_by != expected.by


# --- words -----------------------------------------------------------------------------------------------------------


def _connected_to(facts: Facts) -> str:
    return facts.plan.target.name if facts.plan is not None else "the name that was asked for"


def _subject(certificate: x509.Certificate | None) -> str:
    try:
        return "the certificate" if certificate is None else describe_name(certificate.subject) or "the certificate"
    except UNREADABLE:
        return "the certificate"


def _issuer(certificate: x509.Certificate | None) -> str:
    try:
        return "an unknown CA" if certificate is None else describe_name(certificate.issuer)
    except UNREADABLE:
        return "an issuer that cannot be read"


def _last_issuer_accepted(facts: Facts) -> str:
    seen = facts.handshake
    is_server = facts.expected is not None and facts.expected.by == "client"
    chain = parsed(seen.server_chain_der if is_server else seen.client_chain_der)
    return _issuer(chain[-1] if chain else None)


def _last_issuer(facts: Facts) -> str:
    chain = facts.rejected_chain
    return _issuer(chain[-1] if chain else None)


def _trusted(facts: Facts) -> str:
    trust = facts.plan.trust if facts.plan is not None else None
    if trust is None:
        return "CAs that are not known here"
    return " and ".join(describe_name(ca.certificate.subject) for ca in trust.authorities)


def _names_of(facts: Facts) -> str:
    names = typed_names(facts.leaf) if facts.leaf is not None else []
    return ", ".join(names) if names else "no subject alternative name"


def _names_another_reason(facts: Facts) -> bool:
    """Whether the expected side rejected, for a reason that was not expected."""
    seen, expected = facts.handshake, facts.expected
    if seen.accepted is not False or expected is None or expected.accepted or seen.rejected_by != expected.by:
        return False
    is_told = seen.reason not in (None, Reason.UNSPECIFIED, Reason.ACCESS_DENIED)
    return is_told and bool(expected.reasons) and seen.reason not in expected.reasons


def _cause_of_it(facts: Facts) -> str:
    return diagnose(replace(facts, expected=None)).cause


def _is_client_of_another_ca(facts: Facts) -> bool:
    seen, plan, chain = facts.handshake, facts.plan, facts.rejected_chain
    if seen.reason is not Reason.UNKNOWN_CA or seen.rejected_by != "server" or not chain:
        return False
    return plan is not None and plan.issuer is not None and chain[-1].issuer != plan.issuer.certificate.subject


def _has_known_issuer(facts: Facts) -> bool:
    """Whether the server says that it does not know the CA, though the one whose clients it should accept issued it."""
    seen, plan, leaf = facts.handshake, facts.plan, facts.leaf
    if seen.alert is not Alert.UNKNOWN_CA or seen.is_reason_exact or seen.rejected_by != "server" or leaf is None:
        return False
    return plan is not None and plan.issuer is not None and leaf.issuer == plan.issuer.certificate.subject


def _accepts_of(facts: Facts) -> str:
    issuer = facts.plan.issuer if facts.plan is not None else None
    return "another CA" if issuer is None else describe_name(issuer.certificate.subject)


def _offered_one_version(facts: Facts) -> bool:
    return facts.handshake.reason is Reason.PROTOCOL_VERSION and facts.plan is not None and facts.plan.tls is not None


def _answered_in_plain(facts: Facts) -> bool:
    seen = facts.handshake
    return seen.reason is Reason.NOT_TLS and seen.rejected_by == "client" and facts.plan is not None


def _other_side_gave_up(facts: Facts) -> str:
    seen = facts.handshake
    other = diagnose(replace(facts, expected=None))
    return (
        f"the {seen.rejected_by} gave up before the {opposite(seen.rejected_by or 'client')} could judge: {other.cause}"
    )


#: In this order; the first whose evidence is there tells the cause.
SYMPTOMS: tuple[Symptom, ...] = (
    # no verdict
    Symptom(
        "nobody-listens",
        _said("connection refused", "refused it"),
        lambda facts: f"nothing listens on {_address(facts)}.",
        "Start the server and wait until it is ready, or correct the host and the port.",
    ),
    Symptom(
        "name-not-resolved",
        _said("name or service not known", "nodename nor servname", "getaddrinfo", "name resolution"),
        lambda facts: f"the host name {_connected_to(facts)} has no address.",
        "Correct the host name.",
    ),
    Symptom(
        "event-loop-blocked",
        _said("blocks the event loop"),
        "this call blocks the event loop that runs in its thread, and the server seems to be served by that loop.",
        "Await the same function of pytest_mtls.aio.",
    ),
    Symptom(
        "silent",
        _said("silent", "timed out", "deadline"),
        "the other side hangs, or a firewall drops the packets; no verdict is possible.",
        "Raise timeout= if the server is slow.",
    ),
    Symptom(
        "state-of-the-server",
        lambda facts: facts.handshake.accepted is None and facts.handshake.answer is not None,
        lambda facts: f"the answer {facts.handshake.answer} tells the state of the server, and nothing of the client.",
        "Choose a path that answers 2xx to a good client, and start what stands behind the proxy.",
    ),
    Symptom(
        "undecided",
        lambda facts: facts.handshake.accepted is None,
        "the other side is not there, hangs, or is not yet ready; no verdict is possible.",
    ),
    # accepted
    Symptom(
        "resumed",
        lambda facts: facts.handshake.accepted is True and facts.handshake.resumed,
        lambda facts: (
            f"the {facts.expected.by if facts.expected else 'server'} resumed an earlier session and did not judge the "
            "certificate again."
        ),
        "Bind sessions to the certificate, or turn session tickets off.",
    ),
    Symptom(
        "no-certificate-asked-for",
        _asked_for_no_certificate,
        "the server does not require a certificate: it did not even ask for one (not ssl.CERT_REQUIRED).",
        "Require client certificates: ssl.CERT_REQUIRED, `ssl_verify_client on`, `SSLVerifyClient require`.",
    ),
    Symptom(
        "certificate-is-optional",
        lambda facts: (
            facts.handshake.accepted is True
            and _expects_server(facts)
            and (_accepted_for(Reason.NO_CERTIFICATE)(facts) or not facts.handshake.client_chain_der)
        ),
        "the server does not require a certificate: verification is off or optional (not ssl.CERT_REQUIRED).",
        "Require client certificates: ssl.CERT_REQUIRED, `ssl_verify_client on`, `SSLVerifyClient require`.",
    ),
    Symptom(
        "revocation-not-checked",
        _accepted_for(Reason.REVOKED),
        lambda facts: (
            f"the {facts.expected.by if facts.expected else 'server'} has no CRL, an old one, or checks the CRL for the "
            "wrong part of the chain."
        ),
        "Load the CRL of each CA of the chain and check it: VERIFY_CRL_CHECK_CHAIN, `ssl_crl`.",
    ),
    Symptom(
        "name-not-checked",
        _accepted_for(Reason.HOSTNAME_MISMATCH),
        lambda facts: (
            f"the {facts.expected.by if facts.expected else 'client'} does not compare the name with the certificate "
            "(check_hostname is off)."
        ),
        "Turn the check of the host name on.",
    ),
    Symptom(
        "trusts-another-ca",
        _accepted_for(Reason.UNKNOWN_CA, Reason.SELF_SIGNED),
        lambda facts: (
            f"the {facts.expected.by if facts.expected else 'server'} does not verify the certificate (not "
            f"ssl.CERT_REQUIRED), or it trusts {_last_issuer_accepted(facts)} too."
        ),
        "Turn verification on (nginx's `optional_no_ca` and Envoy's `accept_untrusted` turn it off), and trust no other CA.",
    ),
    Symptom(
        "not-verified",
        lambda facts: facts.handshake.accepted is True,
        lambda facts: (
            f"the {facts.expected.by if facts.expected else 'server'} does not verify the certificate (not "
            "ssl.CERT_REQUIRED), or overlooks what is wrong with it."
        ),
        "Turn verification on; nginx's `optional_no_ca` and Envoy's `accept_untrusted` turn it off.",
    ),
    # rejected
    Symptom("as-expected", _is_as_expected, "this handshake is as expected; another one, or the lack of one, is not."),
    Symptom(
        "application-knows-names",
        _is_denied,
        lambda facts: (
            f"TLS accepted {_subject(facts.leaf)}, and the application denied it access. An application that goes by name does "
            "not know this one."
        ),
        "Say which client it knows: `like=`, `Endpoint(client=...)`, or the fixture mtls_client_cert.",
    ),
    Symptom(
        "another-reason",
        _names_another_reason,
        lambda facts: f"the certificate has this defect too, and it was found first: {_cause_of_it(facts)}",
        lambda facts: (
            f"Expect Reason.{facts.handshake.reason.name if facts.handshake.reason else 'UNSPECIFIED'}, or present a "
            "certificate with the expected defect only."
        ),
    ),
    Symptom(
        "rejected-by-the-other-side",
        _is_rejected_by_the_other,
        _other_side_gave_up,
        lambda facts: diagnose(replace(facts, expected=None)).remedy or "Mend that first.",
    ),
    Symptom(
        "trust-not-given",
        _client_used_system_trust,
        lambda facts: (
            f"no trust= was given, so that the system's CAs judged the server's certificate, which {_last_issuer(facts)} "
            "issued."
        ),
        "Give the CA of the server's certificate as trust=, --mtls-server-ca or --ca.",
    ),
    Symptom(
        "intermediate-not-sent",
        _is_distrusted_without_intermediate,
        lambda facts: (
            f"the intermediate {_missing_name(facts)} between {_subject(facts.leaf)} and the trusted root was not sent along."
        ),
        "Put it into the certificate file, after the certificate that it issued.",
    ),
    Symptom(
        "client-of-another-ca",
        _is_client_of_another_ca,
        lambda facts: (
            f"{_last_issuer(facts)} issued {_subject(facts.rejected_chain[-1])}, and the CA of this server's clients is "
            f"{_accepts_of(facts)}. If the first is an intermediate CA of the second, it was not sent along."
        ),
        "Present a certificate of that CA, or put the intermediate into the certificate file, after the client's own.",
    ),
    Symptom(
        "unknown-ca-or-no-crl",
        _has_known_issuer,
        lambda facts: (
            f"the server does not trust {_issuer(facts.leaf)}, which issued {_subject(facts.leaf)}; or it checks revocation "
            "and has no CRL of that CA: OpenSSL sends unknown_ca for both."
        ),
        "Give the server that CA's certificate and, where it checks revocation, that CA's CRL.",
    ),
    Symptom(
        "plain-answer",
        _answered_in_plain,
        lambda facts: f"{_address(facts)} answered with bytes that are not TLS, such as plain HTTP.",
        "Check the port, and whether TLS is turned on there.",
    ),
    Symptom(
        "version-not-offered",
        _offered_one_version,
        lambda facts: (
            f"this client offered TLS {facts.plan.tls if facts.plan else ''} only, and the server does not take it."
        ),
        "Leave tls= out, or turn that version on in the server.",
    ),
    Symptom(
        "server-of-another-ca",
        lambda facts: _distrusts_server(facts) and facts.plan is not None,
        lambda facts: (
            f"{_last_issuer(facts)} issued the server's certificate, and the trust that was given is {_trusted(facts)}"
            f"{', a CA of that name with another key' if _last_issuer(facts) == _trusted(facts) else ''}."
        ),
        "Give the CA of the server's certificate as trust=, --mtls-server-ca or --ca.",
    ),
    Symptom(
        "certificate-not-sent",
        _did_not_send_its_certificate,
        "the client has a certificate and did not send it: its key fits none of the signature algorithms that the server "
        "takes.",
        "Use a key of a kind that the server takes, such as P-256 or RSA of 2048 bits.",
    ),
    Symptom(
        "visibly-expired",
        _is_visibly(_is_expired),
        lambda facts: (
            f"the other side did not say why, but {_subject(facts.leaf)} expired {span(now() - _end(facts))} ago, on "
            f"{moment(_end(facts))}."
        ),
        "Renew it.",
    ),
    Symptom(
        "visibly-early",
        _is_visibly(_is_early),
        lambda facts: f"the other side did not say why, but {_subject(facts.leaf)} is not valid yet.",
        "Compare the clocks of both sides.",
    ),
    Symptom(
        "visibly-of-another-purpose",
        _lacks_purpose,
        lambda facts: (
            f"the other side did not say why, but the extended key usage of {_subject(facts.leaf)} is not for this side."
        ),
        "Issue one with clientAuth for a client, with serverAuth for a server.",
    ),
    Symptom(
        "visibly-of-another-issuer",
        _is_of_unknown_issuer,
        lambda facts: (
            f"the other side did not say why, but {_issuer(facts.leaf)} issued {_subject(facts.leaf)}, and it is another "
            "CA than the one whose clients this server is said to accept."
        ),
        "Present a certificate of that CA, or add the other CA to the server's.",
    ),
    Symptom(
        "address-as-dns-name",
        _has_address_as_dns_name,
        lambda facts: (
            f"the address {facts.handshake.server_name or _connected_to(facts)} stands in the certificate as a DNS name, and "
            f"counts only as an IP address (RFC 9525 section 6.5); it has {_names_of(facts)}."
        ),
        "Issue the certificate with the address as a name of the type IP.",
    ),
    Symptom(
        "hostname-mismatch",
        lambda facts: facts.handshake.reason is Reason.HOSTNAME_MISMATCH,
        lambda facts: (
            f"the name asked for, {facts.handshake.server_name or _connected_to(facts)}, is not among the names in the "
            f"server's certificate: {_names_of(facts)}."
        ),
        "Connect to one of these names (server_name=), or issue a certificate for the name.",
    ),
    Symptom(
        "rejected-inside",
        lambda facts: facts.handshake.reason in (Reason.UNSPECIFIED, None) and facts.handshake.answer is not None,
        "TLS accepted the client, or left it to the application, which rejected it.",
        "Read the server's log.",
    ),
)


#: Why a certificate that should be accepted is rejected for a reason, and what to do.
CAUSES: dict[Reason, tuple[str, str | None]] = {
    Reason.EXPIRED: ("the certificate was not renewed in time, or a clock is wrong.", "Renew it."),
    Reason.NOT_YET_VALID: (
        "the certificate was issued for later, or the clock of one side is behind.",
        "Compare the clocks of both sides.",
    ),
    Reason.UNKNOWN_CA: (
        (
            "the certificate comes from a CA that the other side does not trust, or an intermediate certificate was not "
            "sent along."
        ),
        "Compare the issuer in the chain with the CA file of the other side.",
    ),
    Reason.SELF_SIGNED: (
        "the certificate was issued by itself and not by the CA that the other side trusts.",
        "Have the CA issue one.",
    ),
    Reason.WRONG_PURPOSE: (
        (
            "the certificate's extended key usage is for the other role. Public CAs issue for serverAuth only since 2026: "
            "their certificates are not client certificates any more."
        ),
        "Issue one with clientAuth for a client, with serverAuth for a server.",
    ),
    Reason.REVOKED: ("the certificate, or the CA above it, is on the CRL.", "Issue a new one."),
    Reason.NO_CERTIFICATE: (
        "the client was not given a certificate, or its key can make no signature of a kind that the server takes.",
        "Give the client its certificate and key.",
    ),
    Reason.HOSTNAME_MISMATCH: (
        "the name asked for is not among the names in the server's certificate.",
        "Connect to one of its names, or issue a certificate for the name.",
    ),
    Reason.POSSESSION_NOT_PROVED: (
        "the private key is not the one that belongs to the certificate.",
        "Install the key that the certificate was issued for.",
    ),
    Reason.BAD_SIGNATURE: (
        "a signature in the chain was not made by the key of the issuer above it.",
        "Compare the intermediate with the CA that issued the certificate: they may be of the same name.",
    ),
    Reason.INVALID_CA: ("a certificate was issued by one that is not a CA's.", "Have a CA issue it."),
    Reason.PATH_LENGTH_EXCEEDED: (
        "there are more intermediates than the path length of a CA above them allows.",
        "Issue from a CA further up.",
    ),
    Reason.NAME_CONSTRAINT_VIOLATED: (
        "a CA in the chain may not issue for a name in the certificate.",
        "Issue for a name that the CA's constraints permit.",
    ),
    Reason.WEAK_KEY: (
        "a key in the chain is too short for the security level of the other side.",
        "Use P-256, or RSA of 2048 bits at least.",
    ),
    Reason.WEAK_SIGNATURE: (
        "the hash in a signature of the chain is too weak for the security level of the other side.",
        "Have it signed with SHA-256.",
    ),
    Reason.PROFILE_VIOLATED: (
        (
            "a certificate in the chain breaks a rule of RFC 5280 that only strict verification checks (VERIFY_X509_STRICT, "
            "the default since Python 3.13)."
        ),
        (
            "Issue it anew by the profile; if the CA is not yours, turn strict off: MutualTLSServer(strict=False), "
            "Endpoint(strict=False), ssl_context(strict=False), clients.ssl_context(..., strict=False)."
        ),
    ),
    Reason.CRL_MISSING: (
        "the other side checks revocation and has no CRL of one of the CAs in the chain.",
        "Give it a CRL of each CA in the chain.",
    ),
    Reason.CRL_EXPIRED: ("the CRL that the other side has is too old.", "Give it a new one."),
    Reason.NOT_TLS: (
        "one side does not speak TLS on this port.",
        "Check the port, and whether the URL says https.",
    ),
    Reason.PROTOCOL_VERSION: ("the two sides have no TLS version in common.", "Allow TLS 1.2 and 1.3 on both."),
    Reason.NO_COMMON_PARAMETERS: (
        "the two sides have no cipher suite, group or signature algorithm in common.",
        "Compare what both sides allow; a key on an unusual curve needs its own signature algorithm.",
    ),
    Reason.ACCESS_DENIED: (
        "the other side denied access.",
        "Say which client it knows: `like=`, `Endpoint(client=...)`, or the fixture mtls_client_cert.",
    ),
}
_UNSPECIFIED = ("the other side ended the connection without a word.", "Read its log.")


#: Where no handshake was seen, though an earlier connection is open.
CONNECTION_REUSED = Diagnosis(
    "connection-reused",
    "the client used a connection that was open before the block: a kept-alive connection does no handshake.",
    "Open a new connection in the block: close the client's session before it, or use a new one.",
)


def client_not_called(address: str, error: BaseException | None) -> Diagnosis:
    """Why no handshake was seen, where no connection is left from before.

    Args:
        address: where the server listens.
        error: what the client raised.
    """
    failed = "failed before it connected" if error is not None else "was not called in the block"
    return Diagnosis(
        "client-not-called",
        f"the client {failed}, or it was given another address than {address}.",
        f"Call the client inside the block, with {address}.",
    )


def _missing_name(facts: Facts) -> str:
    ca = _missing_intermediate(facts)
    return "" if ca is None else describe_name(ca.certificate.subject)


def _end(facts: Facts) -> datetime:
    return now() if facts.leaf is None else facts.leaf.not_valid_after_utc


def _address(facts: Facts) -> str:
    if facts.plan is not None:
        return f"{facts.plan.target.host}:{facts.plan.target.port}"
    return "{}:{}".format(*facts.handshake.peer_address) if facts.handshake.peer_address else "the other side"


def diagnose(facts: Facts) -> Diagnosis:
    """The likely cause of what was seen, and the remedy.

    Args:
        facts: what is known.
    """
    for symptom in SYMPTOMS:
        if symptom.evidence(facts):
            cause = symptom.cause if isinstance(symptom.cause, str) else one_line(symptom.cause(facts))
            remedy = symptom.remedy(facts) if callable(symptom.remedy) else symptom.remedy
            return Diagnosis(symptom.id, cause, remedy)
    reason = facts.handshake.reason or Reason.UNSPECIFIED
    cause, remedy = CAUSES.get(reason, _UNSPECIFIED)
    return Diagnosis(reason.value, cause, remedy)
