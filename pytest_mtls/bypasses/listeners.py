"""Listeners: all of a server's doors, and whether they still open after a blow."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.bypasses.attempt import Attempt
from pytest_mtls.bypasses.bypass import bypass
from pytest_mtls.bypasses.ends import Bypassed
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.cases.presentation import Presentation, presented
from pytest_mtls.cases.resigned import resign
from pytest_mtls.certificates.der import element
from pytest_mtls.verdict.explain import headline


@bypass(cves=["GHSA-3wh4-j44w-pg92"], needs=["listeners"])
def every_listener(attempt: Attempt) -> str | None:
    """Each of the server's listeners rejects what the first rejects.

    Settings are made for each listener, and one can be forgotten: that for metrics, for peers, for IPv6. A client without
    a certificate, one of an unknown CA and, where the CA's key is here, an expired and a revoked one come to each of them.
    """
    bad = {"a client without a certificate": None, "a client of an unknown CA": attempt.stranger}
    ca = attempt.target.ca
    if ca is not None and ca.private_key is not None:
        for id in ("expired", "revoked"):
            (case,) = CATALOGUE["client"].select([id])
            bad[f"client case {id}"] = presented(case, "client", ca, attempt.target.client_cases).identity
    refused_first = {who: client for who, client in bad.items() if not attempt.visit(client).accepted}
    for listener in attempt.site.listeners:
        known = replace(listener, ca=listener.ca or ca, trust=listener.trust or attempt.target.trust)
        if attempt.good is not None:
            attempt.must_accept(attempt.visit(attempt.good, endpoint=known), f"a good client at {listener}")
        for who, client in refused_first.items():
            attempt.must_reject(attempt.visit(client, endpoint=known), f"{who} at {listener}")
    return None


# --- after a blow -----------------------------------------------------------------------------------------------------

_SUBJECT_PUBLIC_KEY = 6
_OID_EC, _OID_RSA = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06092a864886f70d010101")


def _spki(algorithm: bytes, key: bytes) -> bytes:
    """SubjectPublicKeyInfo (RFC 5280 section 4.1.2.7)."""
    return element(0x30, element(0x30, algorithm) + element(0x03, b"\x00" + key))


def _rsa(modulus_bytes: int, exponent: bytes) -> bytes:
    modulus = element(0x02, b"\x00" + b"\xff" * modulus_bytes)
    return _spki(_OID_RSA + b"\x05\x00", element(0x30, modulus + element(0x02, exponent)))


#: Keys that a server may fall over, instead of a client's own.
_ODD_KEYS = {
    "of an unknown algorithm": _spki(bytes.fromhex("06032a0304"), b"\x2a" * 32),
    "on an unknown curve": _spki(_OID_EC + bytes.fromhex("06032a0304"), b"\x04" + b"\x2a" * 64),
    "on P-256 with a point that is not on it": _spki(
        _OID_EC + bytes.fromhex("06082a8648ce3d030107"), b"\x04" + b"\x01" * 64
    ),
    "of no bytes": _spki(_OID_EC + bytes.fromhex("06082a8648ce3d030107"), b""),
    "of RSA with 32768 bits": _rsa(4096, b"\x01\x00\x01"),
    "of RSA with a huge exponent": _rsa(256, b"\x00" + b"\xff" * 255),
    "of RSA with exponent zero": _rsa(256, b"\x00"),
    "of Ed448": _spki(bytes.fromhex("06032b6571"), b"\x2a" * 57),
}


@bypass(cves=["CVE-2024-24783"], needs=["ca_key", "good_client"])
def alive_after_odd_keys(attempt: Attempt) -> str | None:
    """The server still takes good clients after it has seen certificates with odd keys.

    Keys of unknown algorithms and curves, of no bytes and of far too many: as the client's own and as that of an
    intermediate CA, over TLS 1.2 where no library has to load them. None gets in, and none ends the server.
    """
    good = attempt.good
    assert good is not None
    for what, key in _ODD_KEYS.items():
        for as_own in (True, False):
            odd = _with_key(attempt, key)
            client = Presentation(good, tls="1.2", rewrite=partial(_message, odd, as_own))
            seen = attempt.probe(client)
            if as_own and seen.accepted:
                raise Bypassed(f"the server let in a client whose key is {what}")
        control = attempt.visit(good)
        if not control.accepted:
            raise Bypassed(f"after a key {what} a good client does not get in: {headline(control.handshake)}")
    return None


def _with_key(attempt: Attempt, key: bytes) -> bytes:
    """A client's certificate whose key is another, signed by the CA."""

    def put(fields: list[bytes]) -> None:
        fields[_SUBJECT_PUBLIC_KEY] = key

    assert attempt.ca.private_key is not None
    client = attempt.ca.issue_client("odd key")
    return resign(client.certificate, attempt.ca.private_key, put).public_bytes(Encoding.DER)


def _message(odd: bytes, as_own: bool, chain: tuple[bytes, ...]) -> bytes:
    """The body of a Certificate message (RFC 5246 section 7.4.2)."""
    sent = (odd, *chain[1:]) if as_own else (chain[0], odd, *chain[1:])
    entries = b"".join(len(der).to_bytes(3, "big") + der for der in sent)
    return len(entries).to_bytes(3, "big") + entries
