"""The words for what is known: the parts of the sentences of `pytest_mtls.verdict.diagnosis.symptoms`."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.validity import now
from pytest_mtls.reasons.settings import SETTINGS
from pytest_mtls.verdict.chain import UNREADABLE, parsed, typed_names
from pytest_mtls.verdict.diagnosis.evidence import accepted_case, missing_intermediate
from pytest_mtls.verdict.diagnosis.facts import Facts


def subject(certificate: x509.Certificate | None) -> str:
    """Whom a certificate is for."""
    try:
        return "the certificate" if certificate is None else describe_name(certificate.subject) or "the certificate"
    except UNREADABLE:
        return "the certificate"


def issuer(certificate: x509.Certificate | None) -> str:
    """Who issued a certificate."""
    try:
        return "an unknown CA" if certificate is None else describe_name(certificate.issuer)
    except UNREADABLE:
        return "an issuer that cannot be read"


def issuer_of_accepted(facts: Facts) -> str:
    """Who issued the last certificate that the accepted side sent."""
    seen = facts.handshake
    is_server = facts.expected is not None and facts.expected.by == "client"
    chain = parsed(seen.server_chain_der if is_server else seen.client_chain_der)
    return issuer(chain[-1] if chain else None)


def issuer_of_rejected(facts: Facts) -> str:
    """Who issued the last certificate that the rejected side sent."""
    chain = facts.rejected_chain
    return issuer(chain[-1] if chain else None)


def trusted_cas(facts: Facts) -> str:
    """The CAs that the client was told to trust."""
    trust = facts.plan.trust if facts.plan is not None else None
    if trust is None:
        return "CAs that are not known here"
    return " and ".join(describe_name(ca.certificate.subject) for ca in trust.authorities)


def names_of_leaf(facts: Facts) -> str:
    """The names of the rejected side, each with its type."""
    names = typed_names(facts.leaf) if facts.leaf is not None else []
    return ", ".join(names) if names else "no subject alternative name"


def ca_of_clients(facts: Facts) -> str:
    """The CA whose clients the server should accept."""
    issuer = facts.plan.issuer if facts.plan is not None else None
    return "another CA" if issuer is None else describe_name(issuer.certificate.subject)


def name_of_missing_intermediate(facts: Facts) -> str:
    """The intermediate that was not sent; empty if none is missing."""
    ca = missing_intermediate(facts)
    return "" if ca is None else describe_name(ca.certificate.subject)


def end_of_validity(facts: Facts) -> datetime:
    """When the certificate of the rejected side ended."""
    return now() if facts.leaf is None else facts.leaf.not_valid_after_utc


def address(facts: Facts) -> str:
    """Where the other side is."""
    if facts.plan is not None:
        return f"{facts.plan.target.host}:{facts.plan.target.port}"
    return "{}:{}".format(*facts.handshake.peer_address) if facts.handshake.peer_address else "the other side"


def case_id(facts: Facts) -> str:
    """The case that was accepted."""
    case = accepted_case(facts)
    return "" if case is None else f"`{case.id}`"


def settings_of_case(facts: Facts) -> str:
    """What a server has to have turned on to reject that case."""
    case = accepted_case(facts)
    return "" if case is None else " and ".join(f"`{one}` ({SETTINGS[one]})" for one in sorted(case.requires))
