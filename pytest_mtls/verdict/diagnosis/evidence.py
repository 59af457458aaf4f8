"""What speaks for a cause: each function says whether one piece of evidence is there.

They look at all that is known here, which is more than the other side said: the certificates in hand, the trust that was
given, the name that was connected to.
"""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pytest_mtls.cases import Case, Tier
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.validity import now
from pytest_mtls.reasons.alert import Alert
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.tls.transcript import was_sent
from pytest_mtls.verdict.chain import UNREADABLE, typed_names
from pytest_mtls.verdict.diagnosis.facts import Facts, connected_to
from pytest_mtls.verdict.expected import Expected
from pytest_mtls.verdict.judge import judge


def says(*texts: str) -> Callable[[Facts], bool]:
    """There is no verdict, and the error has one of these texts in it, in lower case."""

    def is_said(facts: Facts) -> bool:
        error = (facts.handshake.error or "").lower()
        return facts.handshake.accepted is None and any(text in error for text in texts)

    return is_said


def accepted_for(*reasons: Reason) -> Callable[[Facts], bool]:
    """The peer was accepted, and should have been rejected for one of these reasons."""

    def is_accepted(facts: Facts) -> bool:
        expected = facts.expected or Expected(accepted=False)
        return facts.handshake.accepted is True and any(reason in expected.reasons for reason in reasons)

    return is_accepted


def accepted_case(facts: Facts) -> Case | None:
    """The case that the client plays and that was accepted, against what the test expects; None if it plays none."""
    if facts.plan is None or facts.handshake.accepted is not True:
        return None
    return facts.plan.presents.case


def accepted_case_of(tier: Tier) -> Callable[[Facts], bool]:
    """The case that was accepted is one of these."""

    def is_of_tier(facts: Facts) -> bool:
        case = accepted_case(facts)
        return case is not None and case.tier is tier

    return is_of_tier


def application_was_not_asked(facts: Facts) -> bool:
    """The application should have denied access, and no request was made."""
    is_expected = facts.expected is not None and Reason.ACCESS_DENIED in facts.expected.reasons
    return (
        facts.handshake.accepted is True
        and is_expected
        and facts.plan is not None
        and facts.plan.target.protocol == "tls"
    )


def expects_server(facts: Facts) -> bool:
    """It is the server that should have judged, as it is unless the client is named."""
    return facts.expected is None or facts.expected.by == "server"


def asked_for_no_certificate(facts: Facts) -> bool:
    """The server accepted in a full handshake, and sent no CertificateRequest."""
    seen = facts.handshake
    is_whole = was_sent(seen.transcript, "server", "Finished")
    asked = was_sent(seen.transcript, "server", "CertificateRequest")
    return seen.accepted is True and expects_server(facts) and not seen.resumed and is_whole and not asked


def is_as_expected(facts: Facts) -> bool:
    """The handshake is as expected, so that the failure is about another."""
    return (
        facts.expected is not None
        and facts.handshake.accepted is False
        and judge(facts.expected, [facts.handshake]).is_met
    )


def distrusts_server(facts: Facts) -> bool:
    """The client does not trust the CA of the server's certificate."""
    seen = facts.handshake
    return seen.rejected_by == "client" and seen.reason in (Reason.UNKNOWN_CA, Reason.SELF_SIGNED)


def client_used_system_trust(facts: Facts) -> bool:
    """So it is, and the client was given no trust: the system's CAs judged."""
    return distrusts_server(facts) and facts.plan is not None and facts.plan.trust is None


def missing_intermediate(facts: Facts) -> CertificateAuthority | None:
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


def is_distrusted_without_intermediate(facts: Facts) -> bool:
    """The CA is unknown to the other side, and an intermediate that is known here was not sent."""
    about_trust = {Reason.UNKNOWN_CA, Reason.UNSPECIFIED, None}
    return facts.handshake.reason in about_trust and missing_intermediate(facts) is not None


def is_visibly(defect: Callable[[x509.Certificate], bool]) -> Callable[[Facts], bool]:
    """Whether the certificate in hand has the defect, where the other side did not say why it rejected it."""

    def is_seen(facts: Facts) -> bool:
        try:
            return facts.is_unexplained and facts.leaf is not None and defect(facts.leaf)
        except UNREADABLE:
            return False

    return is_seen


def is_expired(certificate: x509.Certificate) -> bool:
    """Its validity has ended."""
    return certificate.not_valid_after_utc < now()


def is_not_yet_valid(certificate: x509.Certificate) -> bool:
    """Its validity has not begun."""
    return certificate.not_valid_before_utc > now()


def lacks_purpose(facts: Facts) -> bool:
    """Its extended key usage is for the other side, and the other side did not say why it rejected it."""
    wanted = (
        ExtendedKeyUsageOID.SERVER_AUTH if facts.handshake.rejected_by == "client" else ExtendedKeyUsageOID.CLIENT_AUTH
    )

    def lacks(certificate: x509.Certificate) -> bool:
        try:
            usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            return False
        return wanted not in usage and ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE not in usage

    return is_visibly(lacks)(facts)


def is_of_unknown_issuer(facts: Facts) -> bool:
    """Whether the client's certificate is not from the CA whose clients this server is known to accept."""
    plan, leaf = facts.plan, facts.leaf
    if plan is None or plan.issuer is None or leaf is None or facts.handshake.rejected_by != "server":
        return False
    return facts.is_unexplained and leaf.issuer != plan.issuer.certificate.subject


def did_not_send_its_certificate(facts: Facts) -> bool:
    """The client has a certificate, was asked for one, and sent none."""
    seen, plan = facts.handshake, facts.plan
    has_one = plan is not None and plan.presents.identity is not None
    asked = was_sent(seen.transcript, "server", "CertificateRequest")
    return seen.rejected_by == "server" and has_one and asked and not seen.client_chain_der


def is_address(name: str | None) -> bool:
    """Whether it is an IP address, of either version."""
    try:
        ip_address((name or "").strip("[]"))
    except ValueError:
        return False
    return True


def has_address_as_dns_name(facts: Facts) -> bool:
    """The server was asked for by an address, which its certificate has as a DNS name."""
    asked = facts.handshake.server_name or connected_to(facts)
    if facts.handshake.reason is not Reason.HOSTNAME_MISMATCH or not is_address(asked) or facts.leaf is None:
        return False
    return f"DNS:{asked}" in typed_names(facts.leaf)


def is_denied(facts: Facts) -> bool:
    """The application denied access, and not TLS."""
    return facts.handshake.reason is Reason.ACCESS_DENIED and facts.handshake.layer not in (None, "tls")


def is_rejected_by_the_other(facts: Facts) -> bool:
    """The side that should have been judged gave up first."""
    seen, expected = facts.handshake, facts.expected
    return seen.accepted is False and expected is not None and not expected.accepted and seen.rejected_by != expected.by


def names_another_reason(facts: Facts) -> bool:
    """Whether the expected side rejected, for a reason that was not expected."""
    seen, expected = facts.handshake, facts.expected
    if seen.accepted is not False or expected is None or expected.accepted or seen.rejected_by != expected.by:
        return False
    is_told = seen.reason not in (None, Reason.UNSPECIFIED, Reason.ACCESS_DENIED)
    return is_told and bool(expected.reasons) and seen.reason not in expected.reasons


def is_client_of_another_ca(facts: Facts) -> bool:
    """The server knows no such CA, and the client's is another than the one whose clients it should accept."""
    seen, plan, chain = facts.handshake, facts.plan, facts.rejected_chain
    if seen.reason is not Reason.UNKNOWN_CA or seen.rejected_by != "server" or not chain:
        return False
    return plan is not None and plan.issuer is not None and chain[-1].issuer != plan.issuer.certificate.subject


def has_known_issuer(facts: Facts) -> bool:
    """Whether the server says that it does not know the CA, though the one whose clients it should accept issued it."""
    seen, plan, leaf = facts.handshake, facts.plan, facts.leaf
    if seen.alert is not Alert.UNKNOWN_CA or seen.is_reason_exact or seen.rejected_by != "server" or leaf is None:
        return False
    return plan is not None and plan.issuer is not None and leaf.issuer == plan.issuer.certificate.subject


def offered_one_version(facts: Facts) -> bool:
    """The client offered one TLS version, which the server does not take."""
    return facts.handshake.reason is Reason.PROTOCOL_VERSION and facts.plan is not None and facts.plan.tls is not None


def answered_in_plain(facts: Facts) -> bool:
    """What answers the client is not TLS."""
    seen = facts.handshake
    return seen.reason is Reason.NOT_TLS and seen.rejected_by == "client" and facts.plan is not None
