"""`forwarded_headers` and `parse_forwarded_headers`, which work on the tables of the styles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Union

from cryptography import x509

from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.readable import UNREADABLE, complaint, problem_of_names
from pytest_mtls.errors import InvalidArgument, InvalidForwardedHeader, UnreadableCertificate
from pytest_mtls.proxies.cloud import CLOUD_STYLES
from pytest_mtls.proxies.golang import GO_STYLES
from pytest_mtls.proxies.openssl import OPENSSL_STYLES
from pytest_mtls.proxies.standard import STANDARD_STYLES
from pytest_mtls.proxies.style import Client, Header, Style
from pytest_mtls.proxies.verification import Verified, failure_words, reason_of_words
from pytest_mtls.reasons.reason import Reason

__all__ = ["STYLES", "ForwardedClient", "Presented", "forwarded_headers", "parse_forwarded_headers", "presented_chain"]

#: Every style by its name.
STYLES: Mapping[str, Style] = {
    style.name: style for style in (*STANDARD_STYLES, *OPENSSL_STYLES, *GO_STYLES, *CLOUD_STYLES)
}

#: What a client presented: an identity, a certificate, or None for no certificate.
Presented = Union[Identity, x509.Certificate, None]


@dataclass(frozen=True)
class ForwardedClient:
    """What a proxy told of its client. A field is None where the style, or this proxy, does not tell it.

    Attributes:
        style: the style that was read.
        presented: whether there was a client certificate.
        verified: whether the proxy verified it.
        failure: why not, in the proxy's words.
        certificate: the client's own.
        chain: the certificates that it sent after its own.
        subject: its distinguished name as the proxy prints it; Google's as RFC 4514 text.
        issuer: that of its issuer, in the same form.
        serial_number: the certificate's.
        fingerprint: SHA-1 or SHA-256, whichever the style has, in lower-case hex.
        not_before: when the certificate begins to be valid.
        not_after: when it ends.
        sans: subject alternative names, of the kinds that the style tells.
    """

    style: str
    presented: bool
    verified: bool | None = None
    failure: str | None = None
    certificate: x509.Certificate | None = None
    chain: tuple[x509.Certificate, ...] | None = None
    subject: str | None = None
    issuer: str | None = None
    serial_number: int | None = None
    fingerprint: str | None = None
    not_before: datetime | None = None
    not_after: datetime | None = None
    sans: tuple[str, ...] | None = None

    @property
    def reason(self) -> Reason | None:
        """Why it was not verified, where the proxy's words are OpenSSL's."""
        return None if self.failure is None else reason_of_words(self.failure)


#: What is a detail of the certificate, and so has to agree with it.
_DETAILS = ("subject", "issuer", "serial_number", "fingerprint", "not_before", "not_after", "sans")
_DESCRIPTION = ("certificate", "chain", *_DETAILS)
_NAMES = ("subject", "issuer")
_LONGEST_SHOWN = 60


def forwarded_headers(
    identity: Presented,
    style: str,
    verified: Verified = True,
    *,
    proxy: Identity | x509.Certificate | None = None,
    names: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers by which a TLS-terminating proxy tells an app who its client was, as that proxy sends them.

    Args:
        identity: what the client presented: an `Identity`, only its certificate, or None for no certificate.
        style: the kind of proxy, one of `rfc9440`, `nginx`, `ingress-nginx`, `envoy`, `haproxy`, `apache`, `traefik`,
            `caddy`, `aws-alb-verify`, `aws-alb-passthrough`, `google`, `azure` and `cloudflare`. Each is described, with
            the document that it follows, in the reference "Forwarded client certificates".
        verified: True; False, a `Reason` or OpenSSL's own words if the proxy let a client in that it did not verify. It
            changes nothing where there is no certificate, or where the proxy is silent about it.
        proxy: the proxy's own certificate, of which Envoy tells the URIs (``By``).
        names: other names for headers, by their names in the reference; for what is named in a proxy's configuration.

    Returns:
        The headers in the order of the reference. A value has a character for each byte, as in WSGI (PEP 3333).

    Raises:
        InvalidArgument: an unknown style, header or reason; or this proxy does not forward clients that it did not verify.
        UnreadableCertificate: a name in a certificate cannot be parsed.
    """
    known = _style(style)
    client = Client(_readable(presented_chain(identity)), failure_words(verified), *presented_chain(proxy)[:1])
    if client.failure is not None and client.chain and known.verification == "verified":
        raise InvalidArgument("verified", verified, f"True: {known.title} rejects a client that it cannot verify")
    renamed = _renamed(known, names)
    values = {renamed[header.name]: header.write(client) for header in known.headers}
    return {name: value for name, value in values.items() if value is not None}


def parse_forwarded_headers(
    headers: Mapping[str, str] | Iterable[tuple[str, str]], style: str, *, names: Mapping[str, str] | None = None
) -> ForwardedClient:
    """What the headers of a request tell of the client, in one style.

    Args:
        headers: all headers of the request, or some; those of other names are left. Pairs, so that one which comes twice
            is seen, or a mapping.
        style: the kind of proxy, as for `forwarded_headers`.
        names: other names for headers, as for `forwarded_headers`.

    Raises:
        InvalidForwardedHeader: a header that this proxy cannot have sent: it comes twice, is truncated or encoded twice,
            or contradicts another one.
        InvalidArgument: an unknown style or header.
    """
    known = _style(style)
    values = _values(headers, known, _renamed(known, names))
    told = _read(values)
    _agree(told, values, known)
    return ForwardedClient(style, **told)


def presented_chain(identity: Presented) -> tuple[x509.Certificate, ...]:
    """The certificates that an identity presents, its own first.

    Raises:
        InvalidArgument: it is not an identity.
    """
    if identity is None:
        return ()
    if isinstance(identity, Identity):
        return identity.chain
    if isinstance(identity, x509.Certificate):
        return (identity,)
    raise InvalidArgument("identity", identity, "an Identity, a certificate, or None for no certificate")


def _readable(chain: tuple[x509.Certificate, ...]) -> tuple[x509.Certificate, ...]:
    for certificate in chain:
        problem = problem_of_names(certificate)
        if problem is not None:
            raise UnreadableCertificate("what the client presented", problem)
    return chain


def _style(name: str) -> Style:
    if name not in STYLES:
        raise InvalidArgument("style", name, f"one of {', '.join(STYLES)}")
    return STYLES[name]


def _renamed(style: Style, names: Mapping[str, str] | None) -> dict[str, str]:
    own = [header.name for header in style.headers]
    for name in names or ():
        if name not in own:
            raise InvalidArgument("names", name, f"a header of {style.name}: {', '.join(own)}")
    return {name: (names or {}).get(name, name) for name in own}


_Values = list[tuple[Header, str, str]]


def _values(
    headers: Mapping[str, str] | Iterable[tuple[str, str]], style: Style, renamed: Mapping[str, str]
) -> _Values:
    """Those of the style: the header, its name here, its value."""
    wanted = {renamed[header.name].lower(): header for header in style.headers}
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    found: dict[str, tuple[Header, str, str]] = {}
    for name, value in pairs:
        header = wanted.get(name.lower())
        if header is None:
            continue
        earlier = found.get(name.lower())
        if earlier is not None and not header.is_list:
            raise _invalid(name, value, "it comes twice, and only one of them can be the proxy's")
        found[name.lower()] = (header, name, value if earlier is None else f"{earlier[2]}, {value}")
    return list(found.values())


def _read(values: _Values) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for header, name, value in values:
        try:
            facts = header.read(value)
        except UNREADABLE as error:
            raise _invalid(name, value, complaint(error)) from None
        for field, fact in facts.items():
            if field == "sans":
                told[field] = (*told.get(field, ()), *fact)
            elif told.setdefault(field, fact) != fact:
                raise _invalid(name, value, f"it contradicts another header about {field}")
    return told


def _agree(told: dict[str, Any], values: _Values, style: Style) -> None:
    """Check that what is told can be true together, and complete it."""
    is_described = any(told.get(field) is not None for field in _DESCRIPTION)
    if told.setdefault("presented", is_described) is False:
        if is_described:
            raise _invalid(*_first(values, _DESCRIPTION), "it describes a client without a certificate")
        told["verified"] = None
        return
    if told.get("verified") and not is_described and len(style.headers) > 1:
        raise _invalid(*_first(values, ("verified",)), "it vouches for a client of whom nothing else is told")
    certificate = told.get("certificate")
    if certificate is None:
        if told.get("chain"):
            raise _invalid(*_first(values, ("chain",)), "it follows a certificate that is not there")
    else:
        for name, value, field in _disagreements(Client((certificate, *(told.get("chain") or ()))), values, style):
            raise _invalid(name, value, f"its {field.replace('_', ' ')} is not that of the certificate")


def _first(values: _Values, wanted: Iterable[str]) -> tuple[str, str]:
    """The name and value of the first header that tells one of these fields."""
    return next((name, value) for header, name, value in values if any(field in header.read(value) for field in wanted))


def _disagreements(client: Client, values: _Values, style: Style) -> Iterator[tuple[str, str, str]]:
    for header, name, value in values:
        try:
            own = header.write(client)
        except UNREADABLE as error:
            raise _invalid(name, value, f"a certificate that is told of cannot be read ({complaint(error)})") from None
        if value == own:
            continue
        sent = header.read(value)
        try:
            true = {} if own is None else header.read(own)
        except UNREADABLE:  # nothing in it is escaped, so that what is true cannot be told apart
            true = {}
        for field in _DETAILS:
            if field in sent and not _same(field, sent[field], true.get(field), style):
                yield name, value, field


def _same(field: str, sent: Any, true: Any, style: Style) -> bool:
    if field in _NAMES and style.partial_names and true is not None:
        return set(sent.split(",")) <= set(true.split(","))
    return bool(sent == true)


def _invalid(name: str, value: str, problem: str) -> InvalidForwardedHeader:
    shown = (
        value if len(value) <= _LONGEST_SHOWN else f"{value[: _LONGEST_SHOWN // 2]}...{value[-_LONGEST_SHOWN // 2 :]}"
    )
    return InvalidForwardedHeader(name, shown, problem)
