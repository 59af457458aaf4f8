"""The table of symptoms, in the order in which they are tried, and the search in it.

To add one: write its evidence in `pytest_mtls.verdict.diagnosis.evidence`, and put a row here and one into
tests/verdict/test_diagnosis.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pytest_mtls.cases import Tier
from pytest_mtls.certificates.validity import now
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import opposite
from pytest_mtls.verdict.chain import moment, one_line, span
from pytest_mtls.verdict.diagnosis import evidence, wording
from pytest_mtls.verdict.diagnosis.causes import CAUSES, UNSPECIFIED_CAUSE
from pytest_mtls.verdict.diagnosis.facts import Facts, connected_to

__all__ = ["SYMPTOMS", "Diagnosis", "Symptom", "diagnose"]


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


def _cause_of_it(facts: Facts) -> str:
    return diagnose(replace(facts, expected=None)).cause


def _other_side_gave_up(facts: Facts) -> str:
    seen = facts.handshake
    other = diagnose(replace(facts, expected=None))
    return (
        f"the {seen.rejected_by} gave up before the {opposite(seen.rejected_by or 'client')} could judge: {other.cause}"
    )


#: In this order; the first whose evidence is there tells the cause.
SYMPTOMS: tuple[Symptom, ...] = (
    # a good client that comes late
    Symptom(
        "good-client-not-any-more",
        lambda facts: facts.control == "afterwards",
        "the server went down meanwhile, or it bans, or limits, whoever comes often or comes with a bad certificate.",
        "Look into the server's log; let this address through its limits, and give attempts=1 or --mtls-rate.",
    ),
    Symptom(
        "application-goes-by-the-issuer",
        lambda facts: facts.control == "namesake",
        "the application compares the issuer's name, or knows one certificate only: it has not seen what is wrong with the bad one.",
        "Have TLS verify the chain (ssl.CERT_REQUIRED, `ssl_verify_client on`), and let the application judge names only.",
    ),
    # no verdict
    Symptom(
        "nobody-listens",
        evidence.says("connection refused", "refused it"),
        lambda facts: f"nothing listens on {wording.address(facts)}.",
        "Start the server and wait until it is ready, or correct the host and the port.",
    ),
    Symptom(
        "name-not-resolved",
        evidence.says("name or service not known", "nodename nor servname", "getaddrinfo", "name resolution"),
        lambda facts: f"the host name {connected_to(facts)} has no address.",
        "Correct the host name.",
    ),
    Symptom(
        "no-port-free",
        evidence.says("assign requested address", "only one usage of each socket address"),
        "this machine has no port left for another connection: that of an ended one stays taken for a minute (TIME-WAIT, RFC 9293).",
        "Make fewer connections at once, or widen the range: `net.ipv4.ip_local_port_range` on Linux.",
    ),
    Symptom(
        "nothing-left-to-connect-with",
        evidence.says("too many open files", "no buffer space", "cannot allocate memory"),
        "this process or machine has no descriptor or memory left for a connection.",
        "Close what is open, or raise the limit: `ulimit -n`.",
    ),
    Symptom(
        "event-loop-blocked",
        evidence.says("blocks the event loop"),
        "this call blocks the event loop that runs in its thread, and the server seems to be served by that loop.",
        "Await the same function of pytest_mtls.aio.",
    ),
    Symptom(
        "silent",
        evidence.says("silent", "timed out", "deadline"),
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
        "case-is-good",
        evidence.accepted_case_of(Tier.GOOD),
        lambda facts: f"the case {wording.case_id(facts)} is a good client, which every correct server accepts.",
        "Use assert_accepted, or choose other cases.",
    ),
    Symptom(
        "case-may-be-accepted",
        evidence.accepted_case_of(Tier.INFORMATIVE),
        lambda facts: f"correct servers differ about the case {wording.case_id(facts)}: both answers can be right.",
        "Leave the case out, unless your server has a rule of its own about it.",
    ),
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
        "application-not-asked",
        evidence.application_was_not_asked,
        "TLS accepted the client, and no request was made: the protocol of the endpoint is `tls`, so that the application, which "
        "may deny access, was not asked.",
        'Name the protocol: Endpoint(host, port, "https"), or dataclasses.replace(server.endpoint, protocol="https").',
    ),
    Symptom(
        "no-certificate-asked-for",
        evidence.asked_for_no_certificate,
        "the server does not require a certificate: it did not even ask for one (not ssl.CERT_REQUIRED).",
        "Require client certificates: ssl.CERT_REQUIRED, `ssl_verify_client on`, `SSLVerifyClient require`.",
    ),
    Symptom(
        "certificate-is-optional",
        lambda facts: (
            facts.handshake.accepted is True
            and evidence.expects_server(facts)
            and (evidence.accepted_for(Reason.NO_CERTIFICATE)(facts) or not facts.handshake.client_chain_der)
        ),
        "the server does not require a certificate: verification is off or optional (not ssl.CERT_REQUIRED).",
        "Require client certificates: ssl.CERT_REQUIRED, `ssl_verify_client on`, `SSLVerifyClient require`.",
    ),
    Symptom(
        "revocation-not-checked",
        evidence.accepted_for(Reason.REVOKED),
        lambda facts: (
            f"the {facts.expected.by if facts.expected else 'server'} has no CRL, an old one, or checks the CRL for the "
            "wrong part of the chain."
        ),
        "Load the CRL of each CA of the chain and check it: VERIFY_CRL_CHECK_CHAIN, `ssl_crl`.",
    ),
    Symptom(
        "name-not-checked",
        evidence.accepted_for(Reason.HOSTNAME_MISMATCH),
        lambda facts: (
            f"the {facts.expected.by if facts.expected else 'client'} does not compare the name with the certificate "
            "(check_hostname is off)."
        ),
        "Turn the check of the host name on.",
    ),
    Symptom(
        "trusts-another-ca",
        evidence.accepted_for(Reason.UNKNOWN_CA, Reason.SELF_SIGNED),
        lambda facts: (
            f"the {facts.expected.by if facts.expected else 'server'} does not verify the certificate (not "
            f"ssl.CERT_REQUIRED), or it trusts {wording.issuer_of_accepted(facts)} too."
        ),
        "Turn verification on (nginx's `optional_no_ca` and Envoy's `accept_untrusted` turn it off), and trust no other CA.",
    ),
    Symptom(
        "case-takes-a-setting",
        evidence.accepted_case_of(Tier.SETTING),
        lambda facts: (
            f"correct servers reject the case {wording.case_id(facts)} only with a setting: {wording.settings_of_case(facts)}."
        ),
        "Turn the setting on in the server, or leave the case out.",
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
    Symptom(
        "as-expected",
        evidence.is_as_expected,
        "this handshake is as expected; another one, or the lack of one, is not.",
    ),
    Symptom(
        "application-knows-names",
        evidence.is_denied,
        lambda facts: (
            f"TLS accepted {wording.subject(facts.leaf)}, and the application denied it access. An application that goes by name does "
            "not know this one."
        ),
        "Say which client it knows: `like=`, `Endpoint(client=...)`, or the fixture mtls_client_cert.",
    ),
    Symptom(
        "another-reason",
        evidence.names_another_reason,
        lambda facts: f"the certificate has this defect too, and it was found first: {_cause_of_it(facts)}",
        lambda facts: (
            f"Expect Reason.{facts.handshake.reason.name if facts.handshake.reason else 'UNSPECIFIED'}, or present a "
            "certificate with the expected defect only."
        ),
    ),
    Symptom(
        "rejected-by-the-other-side",
        evidence.is_rejected_by_the_other,
        _other_side_gave_up,
        lambda facts: diagnose(replace(facts, expected=None)).remedy or "Mend that first.",
    ),
    Symptom(
        "trust-not-given",
        evidence.client_used_system_trust,
        lambda facts: (
            f"no trust= was given, so that the system's CAs judged the server's certificate, which {wording.issuer_of_rejected(facts)} "
            "issued."
        ),
        "Give the CA of the server's certificate as trust=, --mtls-server-ca or --ca.",
    ),
    Symptom(
        "intermediate-not-sent",
        evidence.is_distrusted_without_intermediate,
        lambda facts: (
            f"the intermediate {wording.name_of_missing_intermediate(facts)} between {wording.subject(facts.leaf)} and the trusted root was not sent along."
        ),
        "Put it into the certificate file, after the certificate that it issued.",
    ),
    Symptom(
        "client-of-another-ca",
        evidence.is_client_of_another_ca,
        lambda facts: (
            f"{wording.issuer_of_rejected(facts)} issued {wording.subject(facts.rejected_chain[-1])}, and the CA of this server's clients is "
            f"{wording.ca_of_clients(facts)}. If the first is an intermediate CA of the second, it was not sent along."
        ),
        "Present a certificate of that CA, or put the intermediate into the certificate file, after the client's own.",
    ),
    Symptom(
        "unknown-ca-or-no-crl",
        evidence.has_known_issuer,
        lambda facts: (
            f"the server does not trust {wording.issuer(facts.leaf)}, which issued {wording.subject(facts.leaf)}; or it checks revocation "
            "and has no CRL of that CA: OpenSSL sends unknown_ca for both."
        ),
        "Give the server that CA's certificate and, where it checks revocation, that CA's CRL.",
    ),
    Symptom(
        "plain-answer",
        evidence.answered_in_plain,
        lambda facts: f"{wording.address(facts)} answered with bytes that are not TLS, such as plain HTTP.",
        "Check the port, and whether TLS is turned on there.",
    ),
    Symptom(
        "version-not-offered",
        evidence.offered_one_version,
        lambda facts: (
            f"this client offered TLS {facts.plan.tls if facts.plan else ''} only, and the server does not take it."
        ),
        "Leave tls= out, or turn that version on in the server.",
    ),
    Symptom(
        "server-of-another-ca",
        lambda facts: evidence.distrusts_server(facts) and facts.plan is not None,
        lambda facts: (
            f"{wording.issuer_of_rejected(facts)} issued the server's certificate, and the trust that was given is {wording.trusted_cas(facts)}"
            f"{', a CA of that name with another key' if wording.issuer_of_rejected(facts) == wording.trusted_cas(facts) else ''}."
        ),
        "Give the CA of the server's certificate as trust=, --mtls-server-ca or --ca.",
    ),
    Symptom(
        "certificate-not-sent",
        evidence.did_not_send_its_certificate,
        "the client has a certificate and did not send it: its key fits none of the signature algorithms that the server "
        "takes.",
        "Use a key of a kind that the server takes, such as P-256 or RSA of 2048 bits.",
    ),
    Symptom(
        "visibly-expired",
        evidence.is_visibly(evidence.is_expired),
        lambda facts: (
            f"the other side did not say why, but {wording.subject(facts.leaf)} expired {span(now() - wording.end_of_validity(facts))} ago, on "
            f"{moment(wording.end_of_validity(facts))}."
        ),
        "Renew it.",
    ),
    Symptom(
        "visibly-early",
        evidence.is_visibly(evidence.is_not_yet_valid),
        lambda facts: f"the other side did not say why, but {wording.subject(facts.leaf)} is not valid yet.",
        "Compare the clocks of both sides.",
    ),
    Symptom(
        "visibly-of-another-purpose",
        evidence.lacks_purpose,
        lambda facts: (
            f"the other side did not say why, but the extended key usage of {wording.subject(facts.leaf)} is not for this side."
        ),
        "Issue one with clientAuth for a client, with serverAuth for a server.",
    ),
    Symptom(
        "visibly-of-another-issuer",
        evidence.is_of_unknown_issuer,
        lambda facts: (
            f"the other side did not say why, but {wording.issuer(facts.leaf)} issued {wording.subject(facts.leaf)}, and it is another "
            "CA than the one whose clients this server is said to accept."
        ),
        "Present a certificate of that CA, or add the other CA to the server's.",
    ),
    Symptom(
        "address-as-dns-name",
        evidence.has_address_as_dns_name,
        lambda facts: (
            f"the address {facts.handshake.server_name or connected_to(facts)} stands in the certificate as a DNS name, and "
            f"counts only as an IP address (RFC 9525 section 6.5); it has {wording.names_of_leaf(facts)}."
        ),
        "Issue the certificate with the address as a name of the type IP.",
    ),
    Symptom(
        "hostname-mismatch",
        lambda facts: facts.handshake.reason is Reason.HOSTNAME_MISMATCH,
        lambda facts: (
            f"the name asked for, {facts.handshake.server_name or connected_to(facts)}, is not among the names in the "
            f"server's certificate: {wording.names_of_leaf(facts)}."
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
    cause, remedy = CAUSES.get(reason, UNSPECIFIED_CAUSE)
    return Diagnosis(reason.value, cause, remedy)
