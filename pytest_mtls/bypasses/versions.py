"""Versions and parameters: a server that requires a certificate under some of them only."""

from __future__ import annotations

import shutil
import ssl
import subprocess

from pytest_mtls.bypasses.attempt import Attempt
from pytest_mtls.bypasses.bypass import bypass
from pytest_mtls.bypasses.ends import Bypassed, NotApplicable, Undecided
from pytest_mtls.client.protocols import PROTOCOLS
from pytest_mtls.tls.context import heedless_context

_OLD = ("1.0", "1.1")
#: What OpenSSL calls groups of suites up to TLS 1.2, from those that no sane server takes to those that old ones have.
_SUITES = {
    "anonymous": "aNULL",
    "with a shared key": "PSK",
    "with a password": "SRP",
    "without encryption": "eNULL",
    "with an RSA key exchange": "kRSA",
    "with a finite-field key exchange": "kDHE",
    "with CBC and SHA-1": "ECDHE+AES+SHA1",
    "with ChaCha20": "ECDHE+CHACHA20",
    "with an RSA certificate": "aRSA+ECDHE",
    "with an ECDSA certificate": "aECDSA",
}
#: What is negotiated beside HTTP (RFC 7301); servers have settings of their own for some.
_PROTOCOLS_BESIDE = ("acme-tls/1", "http/1.0", "spdy/3", "unknown")
_S_CLIENT_SECONDS = 5


@bypass()
def older_version(attempt: Attempt) -> str | None:
    """TLS 1.0 and 1.1 are no way in for a client without a certificate.

    Where versions have settings of their own, the old ones can have been forgotten. That a server speaks them at all is a
    fault of another kind (RFC 8996).
    """
    refused = []
    for tls in _OLD:
        seen = attempt.visit(context=heedless_context(tls=tls, alpn=PROTOCOLS[attempt.target.protocol].alpn))
        if seen.handshake.rejected_by != "client":
            attempt.must_reject(seen, f"a client without a certificate over TLS {tls}")
            refused.append(tls)
    if not refused:
        raise NotApplicable("this OpenSSL does not speak TLS 1.0 and 1.1")
    return None


@bypass()
def other_cipher_suite(attempt: Attempt) -> str | None:
    """No group of cipher suites is a way in for a client without a certificate.

    A server that authenticates itself by a shared key or not at all asks for no certificate (RFC 5246 section 7.4.4), and
    settings may differ for RSA and ECDSA. Each group is offered by itself, over TLS 1.2.
    """
    for name, suites in _SUITES.items():
        try:
            context = heedless_context(tls="1.2", ciphers=f"{suites}:@SECLEVEL=0")
        except ssl.SSLError:
            continue  # this OpenSSL has none of them
        seen = attempt.visit(context=context)
        if seen.handshake.rejected_by != "client":
            attempt.must_reject(seen, f"a client without a certificate that offers suites {name} ({suites})")
    return None


@bypass(needs=["http"])
def other_application_protocol(attempt: Attempt) -> str | None:
    """No application protocol in the ClientHello is a way in for a client without a certificate.

    A server may have other settings for what it takes for a validation of its own certificate (RFC 8737), or for an older
    HTTP.
    """
    for tls in attempt.versions:
        for protocol in (None, *_PROTOCOLS_BESIDE):
            context = heedless_context(tls=tls, alpn=() if protocol is None else (protocol,))
            seen = attempt.visit(context=context)
            if seen.handshake.rejected_by != "client":  # which some servers' answers to an unknown one make it do
                attempt.must_reject(seen, f"a client without a certificate that offers {protocol or 'no protocol'}")
    return None


@bypass(cves=["CVE-2009-3555"], needs=["good_client"])
def client_renegotiates(attempt: Attempt) -> str | None:
    """A client cannot start the handshake anew under TLS 1.2.

    What was said before a renegotiation is not bound to the certificate that is shown in it, unless both ends know of
    RFC 5746; and a server that once took a certificate may not look at the next. The program ``openssl`` asks for it.
    """
    program = shutil.which("openssl")
    if program is None:
        raise NotApplicable("the program openssl is not here")
    if attempt.target.protocol not in ("tls", "https"):
        raise NotApplicable("the program openssl asks for it only where TLS comes first")
    if "1.2" not in attempt.versions:
        raise NotApplicable("the server does not speak TLS 1.2")
    assert attempt.good is not None
    if attempt.target.rate_limiter is not None:
        attempt.target.rate_limiter.wait()
    host = f"[{attempt.target.host}]" if ":" in attempt.target.host else attempt.target.host
    command = [program, "s_client", "-connect", f"{host}:{attempt.target.port}", "-tls1_2", "-state"]
    command += ["-servername", attempt.target.name, "-cert", attempt.good.combined_path]
    seconds = min(attempt.timeout, _S_CLIENT_SECONDS)
    try:
        said = subprocess.run(command, input=b"R\n", capture_output=True, timeout=seconds, check=False).stderr
    except subprocess.TimeoutExpired as error:
        said = error.stderr or b""  # a server that takes no notice, as rustls does not, leaves it waiting
    if b"RENEGOTIATING" not in said:
        raise Undecided(f"openssl s_client did not renegotiate: {said[-80:]!r}")
    if b"read server hello" in said.partition(b"RENEGOTIATING")[2]:
        raise Bypassed("the server started the handshake anew on the client's word")
    return None
