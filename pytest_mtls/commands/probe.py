"""``pytest-mtls probe``: one handshake with a server, and all that there is to tell of it."""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from pytest_mtls.commands.arguments import (
    add_password,
    as_url,
    in_option,
    read_identity,
    read_password,
    read_trust,
)
from pytest_mtls.commands.command import ACCEPTED, FAILED, MISTAKE, Command
from pytest_mtls.commands.terminal import fitted, one_line, shown
from pytest_mtls.errors import InvalidOption
from pytest_mtls.reasons.reason import Reason

if TYPE_CHECKING:
    from cryptography import x509

    from pytest_mtls.certificates.identity import Identity
    from pytest_mtls.certificates.trust import Trust
    from pytest_mtls.client.plan import ProbePlan
    from pytest_mtls.tls.handshake import Handshake

__all__ = ["PROBE"]

_DESCRIPTION = """Do one real handshake with a server, carried to its verdict, and tell all of it: the verdict, both
certificate chains, the messages, the likely cause and what to do. Where the URL names a protocol, it is spoken too, and
the application's own answer counts. Exit status: 0 accepted, 1 rejected, 2 undecided, or a mistake in the command."""


_ABOUT_TRUST = (Reason.UNKNOWN_CA, Reason.SELF_SIGNED)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "url", help="such as https://localhost:8443, postgres://db.test, smtp://mail.test, or host:port for TLS only"
    )
    parser.add_argument("--cert", metavar="FILE", help="the client's certificate and chain, perhaps with its key")
    parser.add_argument("--key", metavar="FILE", help="the client's private key, if it is not in the same file")
    add_password(parser, "the key")
    parser.add_argument(
        "--ca", metavar="FILE|DIR", help="the CAs that the server's certificate must chain to; by default the system's"
    )
    parser.add_argument("--tls", choices=["1.2", "1.3"], help="only this version")
    parser.add_argument(
        "--server-name", metavar="NAME", help="the name to ask for and to check; by default the URL's host"
    )
    parser.add_argument("--timeout", type=float, default=5.0, metavar="SECONDS", help="for all of it; 5 by default")
    parser.add_argument(
        "--strict", action="store_true", help="reject a server's certificate that only RFC 5280's profile forbids too"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, for programs")


def _run(options: argparse.Namespace) -> int:
    from pytest_mtls.client.endpoint import Endpoint
    from pytest_mtls.client.plan import ProbePlan
    from pytest_mtls.client.probe import run
    from pytest_mtls.verdict.explain import explain

    password = read_password(options.password)
    identity = read_identity(options.cert, options.key, password)
    trust = read_trust(options.ca)
    if not options.timeout > 0:
        raise InvalidOption("--timeout", f"{options.timeout:g} is not a number of seconds above 0")
    endpoint = Endpoint.parse(as_url(options.url), server_name=options.server_name, strict=options.strict, trust=trust)
    plan = ProbePlan.of(endpoint, identity, tls=options.tls, timeout=options.timeout)
    with in_option("--cert"):
        seen = run(plan)
    notes = list(_notes(seen, identity, trust))
    if options.json:
        print(json.dumps(facts(seen, notes, plan), indent=2, ensure_ascii=False))
    elif seen.accepted is None and not seen.began:
        print(shown(f"pytest-mtls: {seen.error}. {_question(endpoint.host)}"), file=sys.stderr)
    else:
        told = shown("\n".join([explain(seen, plan=plan), *(f"  note: {one_line(note)}" for note in notes)]))
        print("\n".join(fitted(told.splitlines())))
    return {True: ACCEPTED, False: FAILED, None: MISTAKE}[seen.accepted]


def _question(host: str) -> str:
    """What to look at if there is no connection."""
    try:
        socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return "No resolver knows this host: is its name right?"
    return "Is the server running there?"


def _notes(seen: Handshake, identity: Identity | None, trust: Trust | None) -> Iterator[str]:
    """What the verdict does not say, and people overlook."""
    from pytest_mtls.certificates.names import describe_name
    from pytest_mtls.tls.transcript import was_sent

    if trust is None and seen.rejected_by == "client" and seen.reason in _ABOUT_TRUST:
        yield "the server's certificate was judged by the system's CAs; give its own as --ca FILE"
    if not seen.is_observed or not seen.peer_chain_der or seen.resumed:
        return
    if not was_sent(seen.transcript, "server", "CertificateRequest"):
        if identity is not None and not seen.sent_chain_der:
            yield "the server asked for no client certificate, so that yours was not sent"
        elif seen.accepted:
            yield "the server asked for no client certificate: this is not mutual TLS"
        return
    if seen.acceptable_cas:
        yield f"the server says that it takes clients of {' or '.join(map(describe_name, seen.acceptable_cas))}"
        if identity is not None and not any(one.issuer in seen.acceptable_cas for one in identity.chain):
            yield f"your certificate is of none of them, but of {describe_name(identity.chain[-1].issuer)}"
    if identity is not None and not seen.sent_chain_der:
        yield "the server asked for a client certificate, and yours was not sent: its key fits no signature that it takes"
    elif identity is None and seen.accepted:
        yield "the server asked for a client certificate, and accepted a client without one"


def facts(seen: Handshake, notes: list[str], plan: ProbePlan) -> dict[str, Any]:
    """A handshake for machines."""
    from pytest_mtls.certificates.names import describe_name
    from pytest_mtls.verdict.diagnosis.facts import Facts
    from pytest_mtls.verdict.diagnosis.symptoms import diagnose
    from pytest_mtls.verdict.explain import headline

    diagnosis = None if seen.accepted else diagnose(Facts(seen, plan=plan))
    return {
        "verdict": seen.verdict.value,
        "headline": headline(seen),
        "rejected_by": seen.rejected_by,
        "reason": None if seen.reason is None else seen.reason.value,
        "reason_is_exact": seen.reason is not None and seen.is_reason_exact,
        "layer": seen.layer,
        "answer": seen.answer,
        "alert": None if seen.alert is None else {"name": seen.alert.name.lower(), "number": int(seen.alert)},
        "verify_error": seen.verify_error,
        "verify_code": seen.verify_code,
        "error": seen.error,
        "likely_cause": None if diagnosis is None else diagnosis.cause,
        "remedy": None if diagnosis is None else diagnosis.remedy,
        "notes": notes,
        "tls_version": seen.tls_version,
        "cipher": seen.cipher,
        "group": seen.group,
        "server_name": seen.server_name,
        "alpn": seen.alpn,
        "acceptable_cas": [describe_name(name) for name in seen.acceptable_cas],
        "client_chain": [_certificate_facts(der) for der in seen.client_chain_der],
        "server_chain": [_certificate_facts(der) for der in seen.server_chain_der],
        "messages": [f"{message.sender}: {message}" for message in seen.transcript],
    }


def _certificate_facts(der: bytes) -> dict[str, Any]:
    from hashlib import sha256

    from cryptography import x509

    known: dict[str, Any] = {"sha256": sha256(der).hexdigest()}
    try:
        known.update(_readable_facts(x509.load_der_x509_certificate(der)))
    except (ValueError, Warning) as error:
        known["problem"] = str(error)
    return known


def _readable_facts(certificate: x509.Certificate) -> dict[str, Any]:
    from pytest_mtls.certificates.names import describe_name

    return {
        "subject": describe_name(certificate.subject),
        "issuer": describe_name(certificate.issuer),
        "serial_number": f"{certificate.serial_number:x}",
        "not_before": certificate.not_valid_before_utc.isoformat(),
        "not_after": certificate.not_valid_after_utc.isoformat(),
    }


PROBE = Command("probe", "do one handshake with a server and tell all of it", _add_arguments, _run, _DESCRIPTION)
