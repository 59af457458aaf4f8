"""DER (X.690): the one place that reads and writes it by hand.

Certificates as a whole are the business of `cryptography`; what is here is for what it cannot make, or does not read by itself.
"""

from __future__ import annotations

from cryptography import x509

__all__ = [
    "BIT_STRING",
    "INTEGER",
    "OBJECT_IDENTIFIER",
    "OCTET_STRING",
    "SEQUENCE",
    "SET",
    "element",
    "integer",
    "load_name",
    "object_identifier",
    "read_der",
    "sequence",
    "set_of",
    "take_apart",
]

#: Tags of universal types.
INTEGER, BIT_STRING, OCTET_STRING, OBJECT_IDENTIFIER, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x06, 0x30, 0x31


# --- writing ---------------------------------------------------------------------------------------------------------


def element(tag: int, content: bytes) -> bytes:
    """One DER element (X.690 section 8.1)."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE of elements."""
    return element(SEQUENCE, b"".join(parts))


def integer(number: int) -> bytes:
    """An INTEGER that is not negative."""
    return element(INTEGER, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def set_of(*parts: bytes) -> bytes:
    """A SET OF elements, in the order that DER demands (X.690 section 11.6)."""
    return element(SET, b"".join(sorted(parts)))


def object_identifier(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER, such as ``2.5.29.17`` (X.690 section 8.19)."""
    first, second, *others = map(int, dotted.split("."))
    content = b""
    for number in (first * 40 + second, *others):
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(0x80 | number & 0x7F)
        content += bytes(reversed(groups))
    return element(OBJECT_IDENTIFIER, content)


# --- reading ---------------------------------------------------------------------------------------------------------


def read_der(data: bytes) -> tuple[int, bytes, bytes]:
    """The first DER element: its tag, its content, and what follows it.

    Raises:
        ValueError: the data ends within it.
    """
    if len(data) < 2:
        raise ValueError("it is truncated")
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        raise ValueError("it is truncated")
    return data[0], data[start : start + length], data[start + length :]


def take_apart(whole: bytes) -> list[bytes]:
    """The elements of a SEQUENCE or another constructed element, each whole.

    Raises:
        ValueError: the data is truncated, or something follows the element.
    """
    _, content, rest = read_der(whole)
    if rest:
        raise ValueError("something follows it")
    parts = []
    while content:
        _, _, rest = read_der(content)
        parts.append(content[: len(content) - len(rest)])
        content = rest
    return parts


def load_name(data: bytes) -> x509.Name:
    """A distinguished name of its DER (RFC 5280 section 4.1.2.4).

    `cryptography` has no reader for a name by itself, so it is read as the subject of a signing request.

    Raises:
        ValueError: it is truncated, or something else.
    """
    ed25519 = sequence(b"\x06\x03\x2b\x65\x70")  # AlgorithmIdentifier, RFC 8410 section 3
    public_key = sequence(ed25519, element(BIT_STRING, bytes(33)))
    info = sequence(integer(0), data, public_key, b"\xa0\x00")
    return x509.load_der_x509_csr(sequence(info, ed25519, element(BIT_STRING, b"\x00"))).subject
