"""Where it can be read, or how it was seen, that a deviation of `real_clients` has the cause that is given for it."""

from __future__ import annotations

from collections.abc import Mapping

from support.real_clients import CLIENTS

__all__ = ["SOURCES", "reasons"]

_GNUTLS = "https://gitlab.com/gnutls/gnutls/-/blob/master/lib"
_JDK = "https://github.com/openjdk/jdk17u/blob/master/src/java.base/share/classes/sun/security"
_OPTIONS = "https://docs.openssl.org/3.0/man1/openssl-verification-options/"
_GRPC = "https://github.com/grpc/grpc/blob/master/src/core/credentials/transport/tls/grpc_tls_certificate_verifier.cc"

#: By the reason, as the page has it.
SOURCES: Mapping[str, str] = {
    "GnuTLS compares URIs and directory names with no permitted subtree; an excluded one rejects every such name": (
        f"`check_unsupported_constraint` in [name_constraints.c]({_GNUTLS}/x509/name_constraints.c); both programs reject "
        "`uri-excluded` and `directory-name-excluded`"
    ),
    "GnuTLS compares name constraints with the names of the end entity only": (
        f"`verify_crt` in [verify.c]({_GNUTLS}/x509/verify.c), whose comment says that CAs are not checked"
    ),
    "wget asks GnuTLS for no purpose when it verifies a server": (
        "its program calls only `gnutls_certificate_verify_peers2`, which [takes no purpose]"
        "(https://gnutls.org/manual/gnutls.html#Verifying-a-certificate-in-the-context-of-TLS-session); gnutls-cli, which "
        "calls `gnutls_certificate_verify_peers` with one, rejects the same servers"
    ),
    "GnuTLS sees nothing bad in a certificate that the OCSP responder does not know": (
        f"`check_ocsp_response` in [cert-session.c]({_GNUTLS}/cert-session.c) looks only for the status revoked"
    ),
    "GnuTLS takes an answer without a status for no answer at all": (
        "seen: it rejects the same answer where the certificate must be stapled (`must-staple-try-later`)"
    ),
    "-verify_hostname looks only at DNS names; addresses are for -verify_ip": f"[OpenSSL's manual]({_OPTIONS})",
    "-verify_hostname takes an address for a name; addresses are for -verify_ip": f"[OpenSSL's manual]({_OPTIONS})",
    "Go lets the pattern `*` stand for a name of one label": (
        "`matchHostnames` in [crypto/x509](https://github.com/golang/go/blob/go1.19/src/crypto/x509/verify.go)"
    ),
    "Go 1.19 compares name constraints with the names of the end entity only": (
        "[issue 45856](https://github.com/golang/go/issues/45856) of the Go project"
    ),
    "JSSE lets a wildcard stand for any label of a name, as RFC 2818 section 3.1 can be read": (
        f"`matchAllWildcards` in [HostnameChecker]({_JDK}/util/HostnameChecker.java)"
    ),
    "JSSE looks only at the extended key usage of the end entity": (
        f"`checkTLSServer` in [EndEntityChecker]({_JDK}/validator/EndEntityChecker.java)"
    ),
    "Net::SSLeay takes the value of an otherName for a string, and crashes where it is not one": (
        "`X509_get_subjectAltNames` in [SSLeay.xs](https://github.com/radiator-software/p5-net-ssleay/blob/master/SSLeay.xs); "
        "seen: called only for this certificate, it ends with SIGSEGV"
    ),
    "BoringSSL takes no constraint on IP addresses: `unsupported name constraint type`": (
        "`nc_match_single` in [v3_ncons.cc]"
        "(https://boringssl.googlesource.com/boringssl/+/refs/heads/main/crypto/x509/v3_ncons.cc)"
    ),
    "gRPC compares DNS names with an address as text": (
        f"[HostNameCertificateVerifier]({_GRPC}); seen without `grpc.ssl_target_name_override`, too: the call is made"
    ),
    "gRPC compares a DNS name as far as its first NUL byte in the handshake; its check before each call finds the rest, and "
    "is left out where `grpc.ssl_target_name_override` is set, as it is here": (
        f"[HostNameCertificateVerifier]({_GRPC}) has the names as C strings; seen without that option: `call host does not "
        "match SSL server name`, and no call is made"
    ),
    "libpq compares an address with DNS names too, as its documentation says": (
        "the note on IP addresses in [its documentation](https://www.postgresql.org/docs/15/libpq-ssl.html)"
    ),
}


def reasons() -> set[str]:
    """All that the deviations of the clients have."""
    return {why for client in CLIENTS.values() for _, why in client.deviations.values()}
