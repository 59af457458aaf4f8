"""What OpenSSL says of a chain whose private key is not here: a handshake in memory, in which the chain takes a stranger's place.

In TLS 1.2 the Certificate message is plain (RFC 5246 section 7.4.2), and OpenSSL judges the chain as soon as it has read it,
before the proof that the key is there. So a peer with a certificate of its own shakes hands, its message is replaced on the
way, and either the chain is rejected, or it is not and the proof fails.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.client.rewrite import CertificateRewriter
from pytest_mtls.reasons.reason import Reason, reason_of_verify_code
from pytest_mtls.reasons.side import Side, opposite
from pytest_mtls.tls.context import client_context, judging_context, server_context

__all__ = ["Ruling", "verify"]

_ROUNDS = 10


@dataclass(frozen=True)
class Ruling:
    """What OpenSSL says.

    Attributes:
        reason: why it rejects the chain; None if it takes it.
        words: its own words.
    """

    reason: Reason | None
    words: str = ""


def verify(
    chain: Sequence[x509.Certificate],
    side: Side,
    anchors: Sequence[x509.Certificate],
    *,
    server_name: str | None = None,
    crls: Sequence[x509.CertificateRevocationList] = (),
    strict: bool = False,
) -> Ruling:
    """Have a chain judged.

    Args:
        chain: what is presented, the peer's own certificate first.
        side: the side that presents it; the other one judges.
        anchors: the certificates that the judging side trusts.
        server_name: for a server's chain, the name to look for in it; None to look for none.
        crls: CRLs of all CAs in the chain; revocation is checked if there are any.
        strict: as `ssl.VERIFY_X509_STRICT` has it.
    """
    pem = [crl.public_bytes(Encoding.PEM) for crl in crls]
    judging = judging_context(opposite(side), _stranger_identity(opposite(side)), anchors, pem, strict=strict)
    if server_name is not None:
        judging.check_hostname = True
    pipes = {one: (ssl.MemoryBIO(), ssl.MemoryBIO()) for one in ("client", "server")}  # what it hears, what it says
    contexts = {side: _stranger(side), opposite(side): judging}
    ends = {
        "client": contexts["client"].wrap_bio(*pipes["client"], server_hostname=server_name),
        "server": contexts["server"].wrap_bio(*pipes["server"], server_side=True),
    }
    rewriter = CertificateRewriter(lambda _: _certificate_message(chain))
    for _ in range(_ROUNDS):
        for name, end in ends.items():
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError as error:
                return Ruling(reason_of_verify_code(error.verify_code), error.verify_message.rstrip("."))
            except ssl.SSLError:
                return Ruling(None)  # the chain was taken, and the stranger's proof for it was not
            said = pipes[name][1].read()
            for data in rewriter(said) if name == side else [said]:
                pipes["server" if name == "client" else "client"][0].write(data)
    return Ruling(None)


def _certificate_message(chain: Sequence[x509.Certificate]) -> bytes:
    """The body of a Certificate message of TLS 1.2 (RFC 5246 section 7.4.2)."""
    entries = b""
    for certificate in chain:
        der = certificate.public_bytes(Encoding.DER)
        entries += len(der).to_bytes(3, "big") + der
    return len(entries).to_bytes(3, "big") + entries


@lru_cache(maxsize=2)
def _stranger(side: Side) -> ssl.SSLContext:
    """The context of the side whose place the chain takes."""
    identity = _stranger_identity(side)
    if side == "server":
        return server_context(identity, None, client_certs="none", tls="1.2")
    context = client_context(identity, None, tls="1.2")
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@lru_cache(maxsize=2)
def _stranger_identity(side: Side) -> Identity:
    ca = CertificateAuthority.create()
    return ca.issue_server("localhost") if side == "server" else ca.issue_client("stranger")
