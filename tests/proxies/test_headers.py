"""Headers about client certificates: vectors derived from the proxies' documents, a round trip, and what is rejected.

The certificates of the vectors are those of RFC 9440 appendix A; their facts were read with the openssl program.
"""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timezone
from urllib.parse import quote, unquote, unquote_plus

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from support.generated_pages import DOCS, generated_part
from support.proxy_headers_page import PROGRAMS, as_markdown
from support.rfc9440_identity import ISSUER_BASE64, LEAF_BASE64, LEAF_SHA256, RFC_IDENTITY

from pytest_mtls import (
    CertificateAuthority,
    ForwardedClient,
    Identity,
    Reason,
    forwarded_headers,
    parse_forwarded_headers,
)
from pytest_mtls.certificates.profile import client_profile
from pytest_mtls.errors import InvalidArgument, InvalidForwardedHeader
from pytest_mtls.proxies import STYLES


def pem(text: str) -> str:
    return "\n".join(["-----BEGIN CERTIFICATE-----", *textwrap.wrap(text, 64), "-----END CERTIFICATE-----", ""])


def envoy_pem(text: str) -> str:
    """As the five replacements of Envoy's ``urlEncodedPemEncodedPeerCertificate``."""
    escapes = {"\n": "%0A", " ": "%20", "+": "%2B", "/": "%2F", "=": "%3D"}
    return "".join(escapes.get(character, character) for character in pem(text))


def aws_pem(text: str) -> str:
    """With ``+=/`` safe, as the load balancer's reference says."""
    return pem(text).replace("\n", "%0A").replace(" ", "%20")


VECTORS: dict[str, Mapping[str, str]] = {
    "rfc9440": {"Client-Cert": f":{LEAF_BASE64}:", "Client-Cert-Chain": f":{ISSUER_BASE64}:"},
    "envoy": {
        "x-forwarded-client-cert": f'Hash={LEAF_SHA256};Cert="{envoy_pem(LEAF_BASE64)}";'
        f'Chain="{envoy_pem(LEAF_BASE64)}{envoy_pem(ISSUER_BASE64)}";Subject="CN=BC";URI='
    },
    "traefik": {
        "X-Forwarded-Tls-Client-Cert": f"{LEAF_BASE64},{ISSUER_BASE64}",
        "X-Forwarded-Tls-Client-Cert-Info": "Subject%3D%22CN%3DBC%22%3B"
        "Issuer%3D%22O%3DLet%27s+Authenticate%2CCN%3DLA+Intermediate+CA%22%3BSerialNumber%3D%227%22%3B"
        "NB%3D%221579042533%22%3BNA%3D%221611442533%22%3BSAN%3D%22bdc%40example.com%22%2C"
        "Subject%3D%22O%3DLet%27s+Authenticate%2CCN%3DLA+Intermediate+CA%22%3B"
        "Issuer%3D%22C%3DUS%2CO%3DLet%27s+Authenticate%2CCN%3DLet%27s+Authenticate+Root+Authority%22%3B"
        "SerialNumber%3D%2222%22%3BNB%3D%221579037550%22%3BNA%3D%221894397550%22",
    },
    "aws-alb-verify": {
        "X-Amzn-Mtls-Clientcert-Serial-Number": "07",
        "X-Amzn-Mtls-Clientcert-Issuer": "CN=LA Intermediate CA,O=Let's Authenticate",
        "X-Amzn-Mtls-Clientcert-Subject": "CN=BC",
        "X-Amzn-Mtls-Clientcert-Validity": "NotBefore=2020-01-14T22:55:33Z;NotAfter=2021-01-23T22:55:33Z",
        "X-Amzn-Mtls-Clientcert-Leaf": aws_pem(LEAF_BASE64),
    },
    "aws-alb-passthrough": {"X-Amzn-Mtls-Clientcert": aws_pem(LEAF_BASE64) + aws_pem(ISSUER_BASE64)},
    "google": {
        "X-Client-Cert-Present": "true",
        "X-Client-Cert-Chain-Verified": "true",
        "X-Client-Cert-Error": "",
        "X-Client-Cert-Hash": "v68ffgcPn6jdYpBfFY2nP4ShE2Yk+6/Mk5PI9yh6aes",
        "X-Client-Cert-Serial-Number": "07",
        "X-Client-Cert-SPIFFE": "",
        "X-Client-Cert-URI-SANs": "",
        "X-Client-Cert-DNSName-SANs": "",
        "X-Client-Cert-Valid-Not-Before": "2020-01-14T22:55:33+00:00",
        "X-Client-Cert-Valid-Not-After": "2021-01-23T22:55:33+00:00",
        "X-Client-Cert-Issuer-Dn": "MDoxGzAZBgNVBAoMEkxldCdzIEF1dGhlbnRpY2F0ZTEbMBkGA1UEAwwSTEEgSW50ZXJtZWRpYXRlIENB",
        "X-Client-Cert-Subject-Dn": "MA0xCzAJBgNVBAMMAkJD",
        "X-Client-Cert-Leaf": f":{LEAF_BASE64}:",
        "X-Client-Cert-Chain": f":{ISSUER_BASE64}:",
    },
    "azure": {"X-ARR-ClientCert": LEAF_BASE64},
    "cloudflare": {"Cf-Client-Cert-Der-Base64": LEAF_BASE64, "Cf-Client-Cert-Sha256": LEAF_SHA256},
}

#: Tested against the programs themselves, in test_forwarded_proxies.py.
REAL = set(PROGRAMS)


@pytest.fixture(scope="module")
def authority() -> CertificateAuthority:
    return CertificateAuthority.create().intermediate()


@pytest.fixture(scope="module")
def alice(authority: CertificateAuthority) -> Identity:
    return authority.issue_client(
        "alice", sans=["alice.example", "spiffe://example.org/alice", "https://alice.example/", "192.0.2.1"]
    )


@pytest.fixture(scope="module")
def bob() -> Identity:
    """Somebody who has nothing in common with Alice, not even the validity."""
    return CertificateAuthority.create("Other").issue_client("bob", sans=["bob.example"], not_before=-2, not_after=1)


# --- made ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", VECTORS)
def test_vector(style: str) -> None:
    """A proxy that is not run here has its headers made as its document has them, and read back."""
    assert VECTORS[style] == forwarded_headers(RFC_IDENTITY, style)
    assert RFC_IDENTITY.certificate == parse_forwarded_headers(VECTORS[style], style).certificate


def test_every_style_is_tested() -> None:
    """Each style has a vector or a real proxy."""
    assert set(STYLES) == set(VECTORS) | REAL


def test_names_of_the_certificate(alice: Identity, authority: CertificateAuthority) -> None:
    """What proxies tell of subject alternative names, and Envoy of its own URI."""
    uri = "spiffe://example.org/proxy"
    proxy = authority.issue_server("proxy.example", uri)
    xfcc = forwarded_headers(alice, "envoy", proxy=proxy)["x-forwarded-client-cert"]
    assert xfcc.startswith(f"By={uri};Hash={alice.fingerprint_sha256};Cert=")
    assert xfcc.endswith(";URI=spiffe://example.org/alice;URI=https://alice.example/;DNS=alice.example")

    google = forwarded_headers(alice, "google")
    assert ("spiffe://example.org/alice", "aHR0cHM6Ly9hbGljZS5leGFtcGxlLw", "YWxpY2UuZXhhbXBsZQ") == (
        google["X-Client-Cert-SPIFFE"],
        google["X-Client-Cert-URI-SANs"],
        google["X-Client-Cert-DNSName-SANs"],
    )
    info = unquote_plus(forwarded_headers(alice, "traefik")["X-Forwarded-Tls-Client-Cert-Info"])
    assert 'SAN="alice.example,192.0.2.1,spiffe://example.org/alice,https://alice.example/"' in info


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        *((style, {}) for style in STYLES if style not in REAL | {"google"}),
        (
            "google",
            {"X-Client-Cert-Present": "false", "X-Client-Cert-Chain-Verified": "false"}
            | {"X-Client-Cert-Error": "client_cert_not_provided"},
        ),
    ],
)
def test_no_certificate(style: str, expected: Mapping[str, str]) -> None:
    """Without a certificate most proxies say nothing; Google says so."""
    headers = forwarded_headers(None, style)
    assert expected == {name: value for name, value in headers.items() if value}
    assert ForwardedClient(style, presented=False) == parse_forwarded_headers(headers, style)


@pytest.mark.parametrize(
    ("verified", "error"),
    [
        (False, "client_cert_validation_failed"),
        (Reason.EXPIRED, "client_cert_validation_failed"),
        (Reason.WRONG_PURPOSE, "client_cert_chain_invalid_eku"),
        ("client_cert_validation_timed_out", "client_cert_validation_timed_out"),
    ],
)
def test_google_unverified(alice: Identity, verified: bool | str, error: str) -> None:
    """Google says why a client was not verified, and keeps its certificate back."""
    headers = forwarded_headers(alice, "google", verified)
    assert ("false", error, "", "") == (
        headers["X-Client-Cert-Chain-Verified"],
        headers["X-Client-Cert-Error"],
        headers["X-Client-Cert-Leaf"],
        headers["X-Client-Cert-Chain"],
    )
    told = parse_forwarded_headers(headers, "google")
    assert (False, error, None, alice.fingerprint_sha256) == (
        told.verified,
        told.failure,
        told.certificate,
        told.fingerprint,
    )


def test_google_size_limits(authority: CertificateAuthority) -> None:
    """A variable above its limit is empty, and the error says so."""
    many = authority.issue_client("many", sans=[f"host-{number}.example" for number in range(60)])
    headers = forwarded_headers(many, "google")
    assert ("", "client_cert_dnsname_sans_exceeded_size_limit") == (
        headers["X-Client-Cert-DNSName-SANs"],
        headers["X-Client-Cert-Error"],
    )
    assert parse_forwarded_headers(headers, "google").verified


@pytest.mark.parametrize(
    ("verified", "nginx", "haproxy"),
    [
        (True, "SUCCESS", "0"),
        (False, "FAILED:unable to verify the first certificate", "21"),
        (Reason.EXPIRED, "FAILED:certificate has expired", "10"),
        ("revoked", "FAILED:certificate revoked", "23"),
        ("unable to get local issuer certificate", "FAILED:unable to get local issuer certificate", "20"),
    ],
)
def test_how_verification_ended(alice: Identity, verified: bool | str, nginx: str, haproxy: str) -> None:
    """A failure may be given as a reason or in OpenSSL's words; HAProxy tells its number."""
    assert nginx == forwarded_headers(alice, "nginx", verified)["X-SSL-Client-Verify"]
    assert haproxy == forwarded_headers(alice, "haproxy", verified)["x-ssl-client-verify"]


def test_other_names(alice: Identity) -> None:
    """Headers may have the names of one's own configuration."""
    names = {"X-SSL-Client-Cert": "X-Cert", "X-SSL-Client-Verify": "X-Verified"}
    headers = forwarded_headers(alice, "nginx", names=names)
    assert {"X-Cert", "X-Verified", "X-SSL-Client-S-DN"} <= set(headers)
    assert alice.certificate == parse_forwarded_headers(headers, "nginx", names=names).certificate


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda alice: forwarded_headers(alice, "squid"), "style"),
        (lambda alice: parse_forwarded_headers({}, "squid"), "style"),
        (lambda alice: forwarded_headers("alice", "nginx"), "identity"),  # type: ignore[arg-type]
        (lambda alice: forwarded_headers(alice, "nginx", 7), "verified"),  # type: ignore[arg-type]
        (lambda alice: forwarded_headers(alice, "nginx", Reason.NOT_TLS), "verified"),
        (lambda alice: forwarded_headers(alice, "haproxy", "bad luck"), "verified"),
        (lambda alice: forwarded_headers(alice, "aws-alb-verify", verified=False), "verified"),
        (lambda alice: forwarded_headers(alice, "nginx", names={"X-Other": "X-Mine"}), "names"),
    ],
)
def test_bad_arguments(alice: Identity, call: Callable[[Identity], object], name: str) -> None:
    """One typed error names the argument and what it may be."""
    with pytest.raises(InvalidArgument) as refused:
        call(alice)
    assert name == refused.value.name


def test_the_reference_is_current() -> None:
    """The page of the documentation says what the code has; ``python docs/generate/catalogue.py forwarded`` writes it."""
    assert as_markdown() == generated_part(DOCS / "reference" / "forwarded.md")


# --- read ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", STYLES)
def test_what_is_told(style: str, alice: Identity) -> None:
    """Every field that a style tells is true of the certificate."""
    told = parse_forwarded_headers(forwarded_headers(alice, style), style)
    certificate = alice.certificate
    true = {
        "certificate": certificate,
        "chain": alice.chain[1:],
        "serial_number": certificate.serial_number,
        "not_before": certificate.not_valid_before_utc,
        "not_after": certificate.not_valid_after_utc,
    }
    for field, value in true.items():
        assert getattr(told, field) in (None, value), field
    assert told.presented
    assert told.subject is None or "alice" in told.subject


def test_headers_of_others_are_left(alice: Identity) -> None:
    """Other headers do not matter, nor how a name is spelt."""
    headers = {name.upper(): value for name, value in forwarded_headers(alice, "nginx").items()}
    assert alice.certificate == parse_forwarded_headers({"Host": "x", **headers}, "nginx").certificate


def test_chain_in_several_headers(authority: CertificateAuthority) -> None:
    """RFC 9440 allows the chain to come as several headers, one list."""
    deep = authority.intermediate().intermediate().issue_client("deep")
    headers = forwarded_headers(deep, "rfc9440")
    pairs = [("Client-Cert", headers["Client-Cert"])]
    pairs += [("Client-Cert-Chain", member) for member in headers["Client-Cert-Chain"].split(", ")]
    assert (4, deep.chain[1:]) == (len(pairs), parse_forwarded_headers(pairs, "rfc9440").chain)


def test_aws_escapes_are_read_either_way(alice: Identity) -> None:
    """An example in the load balancer's reference escapes ``=``, against its text: both are read."""
    headers = forwarded_headers(alice, "aws-alb-passthrough")
    escaped = {name: quote(unquote(value), safe="") for name, value in headers.items()}
    assert alice.certificate == parse_forwarded_headers(escaped, "aws-alb-passthrough").certificate


def test_part_of_traefiks_info(alice: Identity) -> None:
    """Traefik may be configured to tell but a part of a name."""
    headers = {"X-Forwarded-Tls-Client-Cert": forwarded_headers(alice, "traefik")["X-Forwarded-Tls-Client-Cert"]}
    headers["X-Forwarded-Tls-Client-Cert-Info"] = quote('Subject="CN=alice";Issuer="O=pytest-mtls"')
    assert "CN=alice" == parse_forwarded_headers(headers, "traefik").subject


#: Texts for names: all that is special to some style, without what no proxy passes on, control characters.
TEXTS = st.text("aZ09 ,+\"\\<>;=#/%&'()*-.:?@_~|üß€😀漢\u00a0", min_size=1, max_size=15)
ATTRIBUTES = st.builds(
    x509.NameAttribute,
    st.sampled_from(
        [
            NameOID.COMMON_NAME,
            NameOID.ORGANIZATION_NAME,
            NameOID.ORGANIZATIONAL_UNIT_NAME,
            NameOID.LOCALITY_NAME,
            NameOID.USER_ID,
            NameOID.PSEUDONYM,
            x509.ObjectIdentifier("1.3.6.1.4.1.32473.1"),
        ]
    ),
    TEXTS,
)
SANS = st.lists(
    st.sampled_from(
        ["a.example", "*.b.example", "192.0.2.7", "2001:db8::1", "a@mail.example", "spiffe://example.org/a"]
    ),
    unique=True,
)
ROOT = CertificateAuthority.create('Wurzel, "groß"')
ISSUERS = (ROOT, ROOT.intermediate(), ROOT.intermediate().intermediate("Third + last"))


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    subject=st.lists(ATTRIBUTES, max_size=4),
    sans=SANS,
    issuer=st.sampled_from(ISSUERS),
    serial=st.integers(1, 2**159 - 1),
    verified=st.sampled_from([True, False, Reason.EXPIRED, Reason.REVOKED]),
)
def test_round_trip(
    style: str,
    subject: list[x509.NameAttribute[str]],
    sans: list[str],
    issuer: CertificateAuthority,
    serial: int,
    verified: bool | Reason,
) -> None:
    """What is read from the headers of any client makes the same headers again."""
    if style == "traefik":  # which escapes nothing, so that a name can pass for other fields
        assume(not any('"' in attribute.value for attribute in subject))
        issuer = ISSUERS[1]
    if STYLES[style].verification == "verified":
        verified = True
    profile = replace(client_profile(sans=sans), subject=x509.Name(subject), serial_number=serial)
    identity = issuer.issue(profile)
    headers = forwarded_headers(identity, style, verified)
    assert all(value.encode("latin-1").decode("latin-1") == value for value in headers.values())
    told = parse_forwarded_headers(headers, style)

    assert told.presented
    assert told.certificate == identity.certificate or (style == "google" and verified is not True)
    assert told.verified in (None, verified is True)
    assert told.serial_number in (None, serial)
    chain = (identity.certificate, *(identity.chain[1:] if told.chain is None else told.chain))
    failure = True if told.failure is None else told.failure
    if told.certificate is not None:
        assert headers == forwarded_headers(Identity(chain), style, failure)


# --- rejected ---------------------------------------------------------------------------------------------------------


def refusal(headers: object, style: str) -> InvalidForwardedHeader:
    with pytest.raises(InvalidForwardedHeader) as refused:
        parse_forwarded_headers(headers, style)  # type: ignore[arg-type]
    return refused.value


def carriers(style: str, identity: Identity) -> list[str]:
    """The headers of a style that carry certificates."""
    headers = forwarded_headers(identity, style)
    values = {header.name: header.read for header in STYLES[style].headers}
    return [name for name, value in headers.items() if {"certificate", "chain"} & set(values[name](value))]


@pytest.mark.parametrize("style", STYLES)
class TestRefused:
    """What no proxy of this style can have sent."""

    def test_twice(self, style: str, alice: Identity, bob: Identity) -> None:
        """A second header beside the proxy's own, as of a client that smuggles one past it."""
        name, value = next(iter(forwarded_headers(bob, style).items()))
        pairs = [*forwarded_headers(alice, style).items(), (name.upper(), value)]
        assert "twice" in refusal(pairs, style).problem

    def test_truncated(self, style: str, alice: Identity) -> None:
        """A value cut short, wherever that is."""
        headers = forwarded_headers(alice, style)
        for name in carriers(style, alice):
            for length in (1, 2, 3, 5, 10, 101, 202, 303, len(headers[name]) // 2, len(headers[name]) - 30):
                refusal({**headers, name: headers[name][:length]}, style)
            assert "truncated" in refusal({**headers, name: headers[name][:403]}, style).problem

    def test_encoded_twice(self, style: str, alice: Identity) -> None:
        """A value that was encoded once more on its way."""
        headers = forwarded_headers(alice, style)
        for name in carriers(style, alice):
            assert "%" in quote(headers[name])
            refusal({**headers, name: quote(headers[name])}, style)
            refusal({**headers, name: base64.b64encode(headers[name].encode()).decode()}, style)

    def test_of_somebody_else(self, style: str, alice: Identity, bob: Identity) -> None:
        """Any one header of another client among those of this one."""
        own, others = forwarded_headers(alice, style), forwarded_headers(bob, style)
        chains = {"client-cert-chain", "x-client-cert-chain", "x-ssl-client-chain"}  # which may be anybody's
        details = [name for name in own if others.get(name) and own[name] != others[name]]
        for name in details if len(own) > 1 and style != "rfc9440" else ():
            if name.lower() not in chains:
                assert refusal({**own, name: others[name]}, style).problem.startswith("its ")


@pytest.mark.parametrize(
    ("style", "headers", "problem"),
    [
        ("nginx", {"X-SSL-Client-Verify": "SUCCESS"}, "nothing else is told"),
        ("nginx", {"X-SSL-Client-Verify": "success"}, "none of SUCCESS"),
        ("nginx", {"X-SSL-Client-Verify": "NONE", "X-SSL-Client-S-DN": "CN=alice"}, "without a certificate"),
        ("nginx", {"X-SSL-Client-Serial": "0x07"}, "not a number"),
        ("nginx", {"X-SSL-Client-Fingerprint": "c0ffee"}, "6 digits of 40"),
        ("nginx", {"X-SSL-Client-Cert": pem(LEAF_BASE64)}, "not percent-encoded"),
        ("haproxy", {"x-ssl-client-used": "0", "x-ssl-client-s-dn": "/CN=alice"}, "without a certificate"),
        ("haproxy", {"x-ssl-client-verify": "SUCCESS"}, "not a number"),
        ("haproxy", {"x-ssl-client-notbefore": "20200114225533Z"}, "YYMMDDhhmmssZ"),
        ("apache", {"X-SSL-Client-V-Start": "2020-01-14"}, "not of the form"),
        ("envoy", {"x-forwarded-client-cert": 'Hash=00;Subject="CN=alice'}, "quotation mark"),
        ("envoy", {"x-forwarded-client-cert": f"Hash={LEAF_SHA256};Hash={LEAF_SHA256}"}, "Hash twice"),
        ("envoy", {"x-forwarded-client-cert": f"Hash={LEAF_SHA256},Hash={LEAF_SHA256}"}, "several hops"),
        ("envoy", {"x-forwarded-client-cert": "CN=alice"}, "no key 'CN'"),
        ("rfc9440", {"Client-Cert": LEAF_BASE64}, "colons"),
        ("rfc9440", {"Client-Cert": f":{LEAF_BASE64}:, :{LEAF_BASE64}:"}, "more than one"),
        ("rfc9440", {"Client-Cert-Chain": f":{ISSUER_BASE64}:"}, "not there"),
        ("google", {"X-Client-Cert-Present": "yes"}, "neither true nor false"),
        ("google", {"X-Client-Cert-Present": "true", "X-Client-Cert-Error": "client_cert_not_provided"}, "contradicts"),
        ("azure", {"X-ARR-ClientCert": LEAF_BASE64 + LEAF_BASE64}, "not base64"),
        ("azure", {"X-ARR-ClientCert": base64.b64encode(b"0\x03\x02\x01\x05").decode()}, "no certificate"),
        ("traefik", {"X-Forwarded-Tls-Client-Cert-Info": quote('Subject="CN=alice')}, "not a list"),
        ("caddy", {"X-Ssl-Client-Serial": "0f"}, "not a number"),
    ],
)
def test_impossible(style: str, headers: Mapping[str, str], problem: str) -> None:
    """Values that contradict each other or the style's own form."""
    error = refusal(headers, style)
    assert problem in error.problem or problem in str(error)


@pytest.mark.parametrize("style", STYLES)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_anything_may_come(style: str, data: st.DataObject) -> None:
    """Whatever a client sends in these headers is read or rejected, by the one error."""
    headers = forwarded_headers(RFC_IDENTITY, style)
    name = data.draw(st.sampled_from(sorted(headers)))
    value = headers[name]
    start = data.draw(st.integers(0, len(value)))
    end = data.draw(st.integers(start, len(value)))
    headers[name] = value[:start] + data.draw(st.text('%=:;,"\\ \t0aA+/-ü€\0')) + value[end:]
    with suppress(InvalidForwardedHeader):
        parse_forwarded_headers(headers, style)


def test_plus_signs_lost(alice: Identity) -> None:
    """AWS keeps ``+`` as it is, and a decoder of forms on the way makes spaces of them: the error says so."""
    headers = forwarded_headers(RFC_IDENTITY, "aws-alb-passthrough")
    spoilt = {name: quote(unquote_plus(value), safe="/=") for name, value in headers.items()}
    assert "spaces where base64 has +" in refusal(spoilt, "aws-alb-passthrough").problem


def test_the_error_names_the_header() -> None:
    """The error has the header, an excerpt of its value, and a remedy."""
    error = refusal({"X-ARR-ClientCert": "x" * 1000}, "azure")
    assert ("X-ARR-ClientCert", 63) == (error.header, len(error.value))
    assert "let it delete those of its clients" in str(error)


def test_dates_are_aware() -> None:
    """Dates are in UTC and say so."""
    told = parse_forwarded_headers(VECTORS["aws-alb-verify"], "aws-alb-verify")
    assert datetime(2020, 1, 14, 22, 55, 33, tzinfo=timezone.utc) == told.not_before


@pytest.mark.parametrize(
    "uris",
    [
        ["https://a.example/x;y=1"],
        ["https://a.example/x,y"],
        ["https://a.example/,;", "spiffe://b.example/c;d,e"],
        ["https://a.example/?q=1;By"],
    ],
)
def test_envoy_escapes_nothing_in_a_uri(uris: list[str], authority: CertificateAuthority) -> None:
    """Commas and semicolons in a URI are its own, where no pair follows them."""
    client = authority.issue_client("alice", sans=[*uris, "a.example"])
    told = parse_forwarded_headers(forwarded_headers(client, "envoy"), "envoy")
    assert (*uris, "a.example") == told.sans


def test_several_hops_of_envoy_are_told_apart(alice: Identity) -> None:
    """An element that follows is another hop's."""
    value = forwarded_headers(alice, "envoy")["x-forwarded-client-cert"]
    for following in ("By=spiffe://x", "hash=00"):
        error = refusal({"x-forwarded-client-cert": f"Hash={'0' * 64},{following}"}, "envoy")
        assert "several hops" in error.problem
    assert "several hops" in refusal({"x-forwarded-client-cert": f"{value},{value}"}, "envoy").problem


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("common_name", ['a";Issuer="CN=other', 'a";', '";SAN="x', "a,URI=x;By=y", 'x"'])
def test_name_that_passes_for_other_fields(common_name: str, style: str, authority: CertificateAuthority) -> None:
    """It is read as it is where the style escapes it, and rejected by the one error where that cannot be known."""
    headers = forwarded_headers(authority.issue_client(common_name), style)
    with suppress(InvalidForwardedHeader):
        assert parse_forwarded_headers(headers, style).presented
