"""Certificate messages that no TLS library sends: replaced on the wire under TLS 1.2, where they are plain.

The client has a good certificate and its key; ``rewrite`` makes the message's body (RFC 5246 section 7.4.6) of what it
would have sent. What such a peer must provoke is a rejection before anything is believed.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography import x509

from pytest_mtls.cases.case import Function, Rewrite, case
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.cases.resigned import EXTENSIONS, VALIDITY, Edit, resign_der
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.der import element, sequence, take_apart
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.reasons.reason import Reason

_SECTION = "RFC 5246 section 7.4.6"


def _list(*certificates: bytes) -> bytes:
    """A certificate list, each with its length, and the length of all in front."""
    entries = b"".join(len(der).to_bytes(3, "big") + der for der in certificates)
    return len(entries).to_bytes(3, "big") + entries


def _rewritten(rewrite: Rewrite, reason: Reason, *, limbo: str | None = None) -> Callable[[Function], Function]:
    return case("client", reason, rfc=_SECTION, limbo=limbo, tls="1.2", rewrite=rewrite)


@_rewritten(lambda ca, chain: _list(), Reason.NO_CERTIFICATE)
def empty_list_in_place_of_certificate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The client has a certificate, and on the wire its list is empty."""
    return leaf(ca)


@_rewritten(lambda ca, chain: _list(b"\x2a" * 300), Reason.MALFORMED_CERTIFICATE)
def garbage_certificate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Instead of a certificate come 300 bytes of something else."""
    return leaf(ca)


@_rewritten(lambda ca, chain: _list(chain[0][:-10], *chain[1:]), Reason.MALFORMED_CERTIFICATE)
def truncated_certificate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The last ten bytes of the certificate are missing."""
    return leaf(ca)


@_rewritten(lambda ca, chain: _list(chain[0] + b"\x00" * 10, *chain[1:]), Reason.MALFORMED_CERTIFICATE)
def bytes_after_certificate(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """Ten bytes follow the certificate, inside its own entry."""
    return leaf(ca)


@_rewritten(lambda ca, chain: _list(b"", *chain), Reason.MALFORMED_CERTIFICATE)
def certificate_of_no_bytes(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The first entry of the list is of length zero."""
    return leaf(ca)


@_rewritten(lambda ca, chain: b"\xff\xff\xff" + _list(*chain)[3:], Reason.MALFORMED_MESSAGE)
def list_length_wrong(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The list claims to be longer than the message."""
    return leaf(ca)


def _signed_anew(edit: Edit) -> Rewrite:
    """The client's certificate, changed in a way that no TLS library would load, and signed by its CA."""

    def rewrite(ca: CertificateAuthority, chain: tuple[bytes, ...]) -> bytes:
        assert ca.private_key is not None
        return _list(resign_der(x509.load_der_x509_certificate(chain[0]), ca.private_key, edit), *chain[1:])

    return rewrite


def _repeat_extension(fields: list[bytes]) -> None:
    extensions = _extensions(fields)
    _put_extensions(fields, [*extensions, extensions[0]])


def _spoil_names(fields: list[bytes]) -> None:
    names = element(0x30, b"\x06\x03\x55\x1d\x11" + element(0x04, b"\x2a\x2a"))  # subjectAltName that is not a SEQUENCE
    _put_extensions(fields, [*_extensions(fields), names])


def _extensions(fields: list[bytes]) -> list[bytes]:
    (extensions,) = take_apart(fields[EXTENSIONS])
    return take_apart(extensions)


def _put_extensions(fields: list[bytes], extensions: list[bytes]) -> None:
    fields[EXTENSIONS] = element(0xA3, element(0x30, b"".join(extensions)))


@_rewritten(_signed_anew(_repeat_extension), Reason.UNKNOWN_CA, limbo="rfc5280::duplicate-extensions")
def extension_twice(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """An extension is in the certificate twice (RFC 5280 section 4.2)."""
    return leaf(ca)


@_rewritten(_signed_anew(_spoil_names), Reason.UNKNOWN_CA, limbo="rfc5280::san::malformed")
def malformed_alternative_name(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The subject alternative name is not a sequence of names (RFC 5280 section 4.2.1.6)."""
    return leaf(ca)


def _end_between_seconds(fields: list[bytes]) -> None:
    begin, _ = take_apart(fields[VALIDITY])
    fields[VALIDITY] = sequence(begin, element(0x18, b"20600101000000.5Z"))  # a GeneralizedTime


@_rewritten(
    _signed_anew(_end_between_seconds), Reason.MALFORMED_CERTIFICATE, limbo="rfc5280::validity::notafter-fractional"
)
def fractional_end_of_validity(ca: CertificateAuthority, leaf: Leaf) -> Identity:
    """The validity ends half a second after a full one, which no certificate can say (RFC 5280 section 4.1.2.5.2)."""
    return leaf(ca)
