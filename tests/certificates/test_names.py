"""Texts into names and back."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_mtls.certificates.names import (
    common_name_of,
    describe_general_name,
    describe_name,
    distinguished_name,
    general_name,
    name_constraint,
)
from pytest_mtls.errors import InvalidName

LABELS = st.from_regex(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)
HOSTS = st.lists(LABELS, min_size=1, max_size=5).map(".".join)
TEXTS = st.one_of(
    HOSTS,
    HOSTS.map("*.{}".format),
    HOSTS.map("someone.else+tag@{}".format),
    st.tuples(HOSTS, LABELS).map(lambda parts: f"spiffe://{parts[0]}/{parts[1]}"),
    st.ip_addresses().map(str),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", x509.DNSName("localhost")),
        ("*.example.com", x509.DNSName("*.example.com")),
        ("bücher.example", x509.DNSName("xn--bcher-kva.example")),
        ("*.bücher.example", x509.DNSName("*.xn--bcher-kva.example")),
        ("127.0.0.1", x509.IPAddress(ipaddress.ip_address("127.0.0.1"))),
        ("::1", x509.IPAddress(ipaddress.ip_address("::1"))),
        ("alice@example.com", x509.RFC822Name("alice@example.com")),
        ("alice@bücher.example", x509.RFC822Name("alice@xn--bcher-kva.example")),
        ("spiffe://example.org/a", x509.UniformResourceIdentifier("spiffe://example.org/a")),
        ("https://[::1]:8443/", x509.UniformResourceIdentifier("https://[::1]:8443/")),
        ("urn:uuid:1", x509.UniformResourceIdentifier("urn:uuid:1")),
    ],
)
def test_general_name(text: str, expected: x509.GeneralName) -> None:
    """The type of a name shows in its text."""
    assert expected == general_name(text)


def test_general_name_as_it_is() -> None:
    """A name that is one already is not looked at, so that bad ones can be made."""
    name = x509.DNSName("not a name")
    assert name is general_name(name)


@settings(max_examples=25, deadline=None)
@given(TEXTS)
def test_round_trip(text: str) -> None:
    """The description of a name reads back as the same name."""
    name = general_name(text)
    assert name == general_name(describe_general_name(name))


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "a b", "a\x00b", "a\nb", ".", "a..b", "example.com.", "-a", "a-", "a_b", "*", "*.", "w*.example", "a.*.b",
        "x" * 64, ".".join(["x" * 60] * 5), "1.2.3", "300.1.1.1", "10.0.0.0/8", "fe80::1%eth0", "localhost:8443", "@a.b",
        "a@", "a b@c.d", "ü@example.com", "spiffe://", "https:///path", "spiffe://bü/a", "https://[::1/", "example.com/a",
        "xn--\u2603\u0378.example",
    ],
)  # fmt: skip
def test_no_name(text: str) -> None:
    """What is not a name is rejected with the reason, and named."""
    with pytest.raises(InvalidName) as refused:
        general_name(text)
    assert text == refused.value.value
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize("value", [None, 5, b"localhost"])
def test_no_text(value: Any) -> None:
    """What is not a text is rejected too."""
    with pytest.raises(InvalidName):
        general_name(value)
    with pytest.raises(InvalidName):
        name_constraint(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("example.com", x509.DNSName("example.com")),
        (".example.com", x509.DNSName("example.com")),
        ("10.0.0.0/8", x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))),
        ("10.1.2.3", x509.IPAddress(ipaddress.ip_network("10.1.2.3/32"))),
        ("2001:db8::/32", x509.IPAddress(ipaddress.ip_network("2001:db8::/32"))),
        ("alice@example.com", x509.RFC822Name("alice@example.com")),
        ("@example.com", x509.RFC822Name("example.com")),
        ("spiffe://example.org", x509.UniformResourceIdentifier("example.org")),
    ],
)
def test_name_constraint(text: str, expected: x509.GeneralName) -> None:
    """Names, networks, mail hosts and the hosts of URIs."""
    assert expected == name_constraint(text)
    assert expected is name_constraint(expected)


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "a b", "@", "*.example.com"])
def test_no_name_constraint(text: str) -> None:
    """What can be no subtree is rejected."""
    with pytest.raises(InvalidName):
        name_constraint(text)


def test_distinguished_name() -> None:
    """From the general to the special, described the other way round as RFC 4514 wishes."""
    name = distinguished_name("alice", "Example, Inc.", "Tests")
    assert "CN=alice,OU=Tests,O=Example\\, Inc." == describe_name(name)
    assert "alice" == common_name_of(name)


def test_empty_name() -> None:
    """An empty name is said to be one."""
    assert "(empty name)" == describe_name(distinguished_name())
    assert common_name_of(distinguished_name()) is None


@pytest.mark.parametrize("field", ["common_name", "organization", "organizational_unit"])
@pytest.mark.parametrize("value", ["", "x" * 65, "a\x00b"])
def test_no_distinguished_name(field: str, value: str) -> None:
    """No part may be empty, longer than 64 characters, or hold control characters."""
    with pytest.raises(InvalidName) as refused:
        distinguished_name(**{field: value})
    assert value == refused.value.value


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (x509.DirectoryName(distinguished_name("alice")), "CN=alice"),
        (x509.RegisteredID(x509.ObjectIdentifier("1.2.3")), "1.2.3"),
        (x509.OtherName(x509.ObjectIdentifier("1.2.3"), b"\x05\x00"), "otherName 1.2.3"),
    ],
)
def test_describe_other_types(name: x509.GeneralName, expected: str) -> None:
    """Names of the rarer types are described too."""
    assert expected == describe_general_name(name)
