"""What a style of forwarding is made of: headers, each of which can be written and read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from cryptography import x509

__all__ = ["Client", "Fields", "Header", "Style"]

#: What one header tells, as fields of `ForwardedClient`.
Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Client:
    """What a proxy knows of its client.

    Attributes:
        chain: the certificates that it presented, its own first; none if it presented none.
        failure: why it was not verified, in OpenSSL's words; None if it was.
        proxy: the proxy's own certificate, if it is known.
    """

    chain: tuple[x509.Certificate, ...]
    failure: str | None = None
    proxy: x509.Certificate | None = None


@dataclass(frozen=True)
class Header:
    """One header of a style.

    Attributes:
        name: spelt as the proxy spells it.
        value: where its value comes from, in the words of the proxy's configuration.
        write: makes the value; None where the proxy sends no such header.
        read: what a value tells; raises `ValueError` for one that the proxy cannot have written.
        is_list: whether it may come several times, for its values are members of a list (RFC 9110 section 5.3).
    """

    name: str
    value: str
    write: Callable[[Client], str | None]
    read: Callable[[str], Fields]
    is_list: bool = False


@dataclass(frozen=True)
class Style:
    """How one kind of proxy forwards.

    Attributes:
        name: what users call it.
        title: the proxy's own name.
        headers: all that it may send.
        document: where its maker describes it.
        verification: whether it "tells" the app if verification failed, is "silent" about it, or forwards "verified"
            clients only.
        configured: whether the names of the headers are those of a configuration, and others may be chosen.
        partial_names: whether a distinguished name may be told in part.
        note: what an app's author should know.
    """

    name: str
    title: str
    headers: tuple[Header, ...]
    document: str
    verification: Literal["tells", "silent", "verified"]
    configured: bool = False
    partial_names: bool = False
    note: str = ""


def of_certificate(
    write: Callable[[x509.Certificate], str], otherwise: str | None = None
) -> Callable[[Client], str | None]:
    """A header made of the client's own certificate, and what it is without one."""
    return lambda client: write(client.chain[0]) if client.chain else otherwise


def of_chain(
    write: Callable[[tuple[x509.Certificate, ...]], str | None], otherwise: str | None = None
) -> Callable[[Client], str | None]:
    """A header made of the certificates that the client presented, and what it is without any."""
    return lambda client: write(client.chain) if client.chain else otherwise


def field(name: str, read: Callable[[str], Any] = str, *, nothing: str | None = None) -> Callable[[str], Fields]:
    """A reader of one field.

    Args:
        name: the field of `ForwardedClient`.
        read: makes its value.
        nothing: the header's value that tells nothing; a header may then be empty.
    """
    return lambda value: {} if nothing is not None and value == nothing else {name: read(value)}


def hexadecimal(value: str) -> int:
    """A serial number in hex."""
    return int(_digits(value, "0123456789abcdef"), 16)


def decimal(value: str) -> int:
    """A serial number in decimal."""
    return int(_digits(value, "0123456789"))


def fingerprint(length: int) -> Callable[[str], str]:
    """A reader of a fingerprint of so many bytes in hex, which becomes lower case."""

    def read(value: str) -> str:
        digits = _digits(value, "0123456789abcdef")
        if len(digits) != 2 * length:
            raise ValueError(f"it has {len(digits)} digits of {2 * length}")
        return digits

    return read


def _digits(value: str, allowed: str) -> str:
    digits = value.lower()
    if not digits or set(digits) - set(allowed):
        raise ValueError("it is not a number of this base")
    return digits
