"""Identity and trust made into an `ssl.SSLContext`: the only file that sets one up.

Contexts are strict by default (``VERIFY_X509_STRICT``, as `ssl.create_default_context` is since CPython 3.13), load
nothing from the system unless told to, and are never changed once in use: OpenSSL's ``load_verify_locations`` only adds,
so another trust needs another context.
"""

from __future__ import annotations

import os
import secrets
import ssl
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeVar
from weakref import WeakKeyDictionary

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from pytest_mtls.cases.behaviour import ClientCerts
from pytest_mtls.certificates.files import PrivateDirectory
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.key import KeyKind
from pytest_mtls.certificates.trust import Trust, TrustArgument
from pytest_mtls.errors import InvalidArgument, KeyMismatch, UnsupportedKeyKind, UnusableIdentity
from pytest_mtls.reasons.side import Side
from pytest_mtls.reasons.versions import OLD_VERSIONS, TLS_VERSIONS, VERSION_NUMBERS
from pytest_mtls.tls.engine import Engine, TLSContext, is_second_engine, new_engine_context, openssl_of
from pytest_mtls.tls.keylog import key_log_path, log_keys
from pytest_mtls.tls.standard import new_standard_context
from pytest_mtls.tls.transcript import observe

__all__ = [
    "client_context",
    "engine_context",
    "heedless_context",
    "identity_context",
    "judging_context",
    "kept_client_context",
    "server_context",
    "set_up_client",
    "set_up_server",
]

C = TypeVar("C", bound=TLSContext)


_VERIFY_MODES = {"required": ssl.CERT_REQUIRED, "optional": ssl.CERT_OPTIONAL, "none": ssl.CERT_NONE}
#: What OpenSSL says of an identity that is below its security level.
_TOO_WEAK = ("EE_KEY_TOO_SMALL", "CA_KEY_TOO_SMALL", "CA_MD_TOO_WEAK")
#: The first OpenSSL that can use ML-DSA keys in TLS.
_OPENSSL_WITH_ML_DSA = (3, 5)
_ANOTHER_ENGINE = " The extra pyopenssl brings a newer one as a rule: give engine='pyopenssl'."


def server_context(
    identity: Identity,
    trust: Trust | None,
    *,
    client_certs: ClientCerts = "required",
    tls: str | None = None,
    alpn: Sequence[str] = (),
    strict: bool = True,
    revocation: bool | None = None,
    weak: bool = False,
) -> ssl.SSLContext:
    """The context of a server, of the standard library.

    Args:
        tls: "1.2" or "1.3"; both by default.
        identity, trust, client_certs, alpn, strict, revocation, weak: as for `set_up_server`.

    Raises:
        UnusableKeyLog: the file for its connections' secrets cannot be written to.
        InvalidArgument: an unknown ``client_certs`` or ``tls``, or no trust to check certificates by.
        MissingPrivateKey, KeyMismatch, UnsupportedKeyKind, UnusableIdentity: the identity cannot be presented.
    """
    context = _new_context("server", tls)
    set_up_server(
        context,
        identity,
        trust,
        client_certs=client_certs,
        alpn=alpn,
        strict=strict,
        revocation=revocation,
        weak=weak,
    )
    return context


def client_context(
    identity: Identity | None,
    trust: Trust | None,
    *,
    tls: str | None = None,
    alpn: Sequence[str] = (),
    strict: bool = True,
    revocation: bool | None = None,
    weak: bool = False,
) -> ssl.SSLContext:
    """The context of a client, of the standard library, which checks the server's certificate and host name.

    Args:
        tls: "1.2" or "1.3"; both by default.
        identity, trust, alpn, strict, revocation, weak: as for `set_up_client`.

    Raises:
        UnusableKeyLog: the file for its connections' secrets cannot be written to.
        InvalidArgument: an unknown ``tls``, or a trust of no CA at all.
        MissingPrivateKey, KeyMismatch, UnsupportedKeyKind, UnusableIdentity: the identity cannot be presented.
    """
    context = _new_context("client", tls)
    set_up_client(context, identity, trust, alpn=alpn, strict=strict, revocation=revocation, weak=weak)
    return context


def engine_context(engine: Engine, side: Side, tls: str | None = None) -> TLSContext:
    """The context of one side by either engine, for `set_up_server` or `set_up_client`.

    Args:
        engine: "ssl" or "pyopenssl".
        side: "client" or "server".
        tls: "1.2" or "1.3"; both by default.

    Raises:
        UnusableKeyLog: the file for its connections' secrets cannot be written to.
        InvalidArgument: an unknown ``engine`` or ``tls``.
        MissingExtra: pyOpenSSL is not installed.
    """
    return _prepared(new_engine_context(engine, side), side, tls)


def set_up_server(
    context: TLSContext,
    identity: Identity,
    trust: Trust | None,
    *,
    client_certs: ClientCerts = "required",
    alpn: Sequence[str] = (),
    strict: bool = True,
    revocation: bool | None = None,
    weak: bool = False,
) -> None:
    """Make a new context that of a server.

    Args:
        context: the context.
        identity: what the server presents.
        trust: the CAs whose clients it accepts; may be None only if it asks for no certificate.
        client_certs: whether a client certificate is "required", "optional", or "none" is asked for.
        alpn: application protocols that it accepts, the preferred one first.
        strict: reject what only RFC 5280's profile forbids, such as a certificate without authority key identifier.
        revocation: whether the whole chain is checked by the CRLs of the trusted CAs; by default if all have one.
        weak: present an identity that is too weak for OpenSSL's security level, which is then 0.

    Raises:
        InvalidArgument: an unknown ``client_certs``, or no trust to check certificates by.
        MissingPrivateKey, KeyMismatch, UnsupportedKeyKind, UnusableIdentity: the identity cannot be presented.
    """
    if client_certs not in _VERIFY_MODES:
        raise InvalidArgument("client_certs", client_certs, "'required', 'optional' or 'none'")
    if client_certs != "none":
        if trust is None or not trust.authorities:
            raise InvalidArgument("trust", trust, "at least one CA, since client certificates are checked by it")
        _trust(context, trust, strict, revocation)
    context.verify_mode = _VERIFY_MODES[client_certs]
    if alpn:
        context.set_alpn_protocols(list(alpn))
    _present(context, identity, weak, None if client_certs == "none" else trust)


def set_up_client(
    context: TLSContext,
    identity: Identity | None,
    trust: Trust | None,
    *,
    alpn: Sequence[str] = (),
    strict: bool = True,
    revocation: bool | None = None,
    weak: bool = False,
) -> None:
    """Make a new context that of a client.

    Args:
        context: the context.
        identity: what the client presents if asked; None for no certificate.
        trust: the CAs whose servers it accepts; the system's by default.
        alpn: application protocols that it offers.
        strict: reject what only RFC 5280's profile forbids.
        revocation: whether the server's chain is checked by the CRLs of the trusted CAs; by default if all have one.
        weak: present an identity that is too weak for OpenSSL's security level, which is then 0.

    Raises:
        InvalidArgument: a trust of no CA at all.
        MissingPrivateKey, KeyMismatch, UnsupportedKeyKind, UnusableIdentity: the identity cannot be presented.
    """
    if trust is None:
        context.load_default_certs()
    elif not trust.authorities:
        raise InvalidArgument("trust", trust, "at least one CA, since the server's certificate is checked by it")
    else:
        _trust(context, trust, strict, revocation)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if identity is not None:
        _present(context, identity, weak, trust)


#: The last context of each identity, as long as there is one, and what it was made of.
_LAST_CONTEXTS: WeakKeyDictionary[Identity, tuple[object, TLSContext]] = WeakKeyDictionary()


def kept_client_context(
    identity: Identity | None,
    trust: Trust | None,
    *,
    tls: str | None = None,
    alpn: Sequence[str] = (),
    strict: bool = True,
    weak: bool = False,
    engine: Engine = "ssl",
) -> TLSContext:
    """A client's context by either engine, the last one of this identity again if nothing that it is made of has changed.

    For one handshake after another of the same client: making a context costs about as much as its handshake.

    Args:
        engine: "ssl" or "pyopenssl".
        identity, trust, tls, alpn, strict, weak: as for `client_context`.

    Raises:
        MissingExtra: pyOpenSSL is wanted, and not installed.
        MtlsError: what `client_context` raises.
    """
    how: dict[str, Any] = {"alpn": tuple(alpn), "strict": strict, "weak": weak}
    if identity is None or trust is None:
        return _engine_client_context(engine, identity, trust, tls, how)
    made_of = (engine, trust.pem, trust.crl_source(), trust.is_partial, tls, how, key_log_path())
    kept = _LAST_CONTEXTS.get(identity)
    if kept is None or kept[0] != made_of:
        kept = (made_of, _engine_client_context(engine, identity, trust, tls, how))
        _LAST_CONTEXTS[identity] = kept
    return kept[1]


def _engine_client_context(
    engine: Engine, identity: Identity | None, trust: Trust | None, tls: str | None, how: dict[str, Any]
) -> TLSContext:
    context = engine_context(engine, "client", tls)
    set_up_client(context, identity, trust, **how)
    if not is_second_engine(context):
        # A server may ask for the certificate after the request (RFC 8446 section 4.6.2).
        context.post_handshake_auth = True  # type: ignore[attr-defined]
    return context


def heedless_context(
    identity: Identity | None = None,
    *,
    tls: str | None = None,
    alpn: Sequence[str] = (),
    ciphers: str = "DEFAULT:@SECLEVEL=0",
    post_handshake: bool = False,
) -> ssl.SSLContext:
    """The context of a client that does not care who the server is: one that tries to get in by a back door.

    Args:
        identity: what it presents if asked; None for no certificate.
        tls: "1.0", "1.1", "1.2" or "1.3"; the last two by default.
        alpn: application protocols that it offers.
        ciphers: the cipher suites up to TLS 1.2 that it offers, as OpenSSL lists them.
        post_handshake: offer to authenticate after the handshake (RFC 8446 section 4.6.2).

    Raises:
        InvalidArgument: an unknown ``tls``.
        UnusableKeyLog: the file for its connections' secrets cannot be written to.
        ssl.SSLError: this OpenSSL has none of the ciphers.
        MissingPrivateKey, KeyMismatch, UnsupportedKeyKind, UnusableIdentity: the identity cannot be presented.
    """
    context = _new_context("client", None if tls in OLD_VERSIONS else tls)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(ciphers)
    if tls in OLD_VERSIONS:
        context.options &= ~(ssl.OP_NO_TLSv1 | ssl.OP_NO_TLSv1_1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that they are old is why they are asked for
            context.minimum_version = context.maximum_version = ssl.TLSVersion(VERSION_NUMBERS[tls])
    context.post_handshake_auth = post_handshake
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if identity is not None:
        _present(context, identity, weak=True)
    return context


def judging_context(
    side: Side,
    identity: Identity,
    anchors: Sequence[x509.Certificate],
    crls: Sequence[bytes] = (),
    *,
    strict: bool = False,
) -> ssl.SSLContext:
    """The context of a side that judges a chain of the other, whoever that is: by these anchors, without a host name.

    Args:
        side: the side that judges.
        identity: what it presents itself.
        anchors: the certificates that it trusts, which may be of any kind.
        crls: CRLs, PEM, of all CAs in the chain; revocation is checked if there are any.
        strict: reject what only RFC 5280's profile forbids too.

    Raises:
        UnusableKeyLog: the file for its connections' secrets cannot be written to.
    """
    context = _new_context(side, "1.2")
    _present(context, identity, weak=False)
    if side == "client":
        context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # which a distribution's Python may set by itself
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    pem = b"".join(anchor.public_bytes(Encoding.PEM) for anchor in anchors)
    if not crls:
        context.load_verify_locations(cadata=pem.decode("ascii"))
        return context
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    with _file_for_a_moment(PrivateDirectory(), pem + b"".join(crls)) as path:
        context.load_verify_locations(cafile=path)
    return context


def identity_context(
    identity: Identity, trust: TrustArgument | None, side: Side | None, tls: str | None, strict: bool
) -> ssl.SSLContext:
    """What `Identity.ssl_context` does."""
    if side is None:
        side = "server" if _is_server_only(identity.certificate) else "client"
    if side not in ("client", "server"):
        raise InvalidArgument("side", side, "'client', 'server', or None for what the certificate is for")
    known = None if trust is None else Trust.of(trust)
    if side == "client":
        return client_context(identity, known, tls=tls, strict=strict)
    client_certs: Literal["required", "none"] = "none" if known is None else "required"
    return server_context(identity, known, client_certs=client_certs, tls=tls, strict=strict)


def _is_server_only(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return ExtendedKeyUsageOID.SERVER_AUTH in usage and ExtendedKeyUsageOID.CLIENT_AUTH not in usage


def _new_context(side: Side, tls: str | None) -> ssl.SSLContext:
    context = new_standard_context(ssl.PROTOCOL_TLS_SERVER if side == "server" else ssl.PROTOCOL_TLS_CLIENT)
    return _prepared(context, side, tls)


def _prepared(context: C, side: Side, tls: str | None) -> C:
    """What contexts have in common: they are observed, limited to a version if one is given, and log their keys."""
    observe(context, side)
    if side == "server" and not is_second_engine(context):
        # One session ticket shows that the client was accepted (RFC 8446 section 4.6.1); OpenSSL would send two.
        context.num_tickets = 1  # type: ignore[attr-defined]
    if tls is not None:
        if tls not in TLS_VERSIONS:
            raise InvalidArgument("tls", tls, "'1.2', '1.3', or None for both")
        context.minimum_version = context.maximum_version = ssl.TLSVersion(VERSION_NUMBERS[tls])
    log_keys(context)
    return context


def _trust(context: TLSContext, trust: Trust, strict: bool, revocation: bool | None) -> None:
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    if trust.is_partial:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    source = trust.crl_source(revocation)
    if source is None:
        context.load_verify_locations(cadata=trust.pem.decode("ascii"))
        return
    context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if source.directory:
        context.load_verify_locations(cadata=trust.pem.decode("ascii"), capath=source.directory)
        return
    # From memory OpenSSL's binding reads only certificates and silently drops CRLs: they need a file.
    with _file_for_a_moment(trust.authorities[0].files, trust.pem + source.pem) as path:
        context.load_verify_locations(cafile=path)


def _present(context: TLSContext, identity: Identity, weak: bool, trust: Trust | None = None) -> None:
    path = _path_to_present(identity, trust)
    try:
        context.load_cert_chain(path)
    except ssl.SSLError as error:
        if not weak or error.reason not in _TOO_WEAK:
            raise _why_not_presentable(identity, error, context) from error
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.load_cert_chain(path)


def _path_to_present(identity: Identity, trust: Trust | None) -> str:
    """The file of an identity that a context presents, which trusts some CAs.

    If the file holds one certificate only, OpenSSL also sends the issuers that the context trusts. To find them it verifies
    its own side's chain in every handshake, signatures and CRLs included, and Python's ssl cannot turn that off. So the root,
    which is what it would add, is put into the file.
    """
    authorities = trust.authorities if trust is not None and identity.is_issued_by_root else ()
    if any(ca.certificate == identity.root for ca in authorities):
        return identity.combined_path_with_root
    return identity.combined_path


def _why_not_presentable(identity: Identity, error: ssl.SSLError, context: TLSContext) -> Exception:
    kind = KeyKind.of(identity.private_key) if identity.private_key is not None else None
    openssl = openssl_of(context)
    if kind is not None and kind.value.startswith("mldsa") and openssl.version < _OPENSSL_WITH_ML_DSA:
        needed = ".".join(map(str, _OPENSSL_WITH_ML_DSA))
        problem = f"TLS with it needs OpenSSL {needed}, and this is {openssl.text}."
        return UnsupportedKeyKind(kind.value, problem + ("" if is_second_engine(context) else _ANOTHER_ENGINE))
    if error.reason == "KEY_VALUES_MISMATCH":
        return KeyMismatch(identity.subject, "the identity")
    return UnusableIdentity(identity.subject, (error.reason or str(error)).replace("_", " ").lower())


@contextmanager
def _file_for_a_moment(files: PrivateDirectory, content: bytes) -> Iterator[str]:
    """The path of a file, 0600 in the private directory, which is gone after the block."""
    path = files.write(f"{secrets.token_hex(8)}.pem", content)
    try:
        yield path
    finally:
        os.unlink(path)
