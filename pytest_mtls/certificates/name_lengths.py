"""How long an attribute of a distinguished name may be (RFC 5280 appendix A.1), looked at before `cryptography` reads the name.

`cryptography` warns of an attribute of another length each time that it reads it. Whoever sent the name has to be told instead,
and in a test run that makes errors of warnings nothing may go wrong for what a stranger has sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pytest_mtls.certificates.der import OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, object_identifier, read_der

__all__ = ["problem_of_lengths"]

#: By object identifier, DER: what the attribute is, and the fewest and most characters.
_BOUNDS: Mapping[bytes, tuple[str, int, int]] = {
    object_identifier("2.5.4.3"): ("common name", 1, 64),
    object_identifier("2.5.4.6"): ("country", 2, 2),
    object_identifier("1.3.6.1.4.1.311.60.2.1.3"): ("country of jurisdiction", 2, 2),
}
#: Strings that are not of single bytes: BMPString and UniversalString.
_WIDE = {0x1E: "utf-16-be", 0x1C: "utf-32-be"}
_CONSTRUCTED = 0x20
#: Names are not nested deeper in requests and certificates.
_DEEPEST = 20


def problem_of_lengths(der: bytes) -> str:
    """What is wrong with the length of an attribute in any name of a request or certificate, DER; empty if nothing.

    What cannot be parsed is left out: it is for others to tell.
    """
    for oid, tag, value in _attributes(der, 0):
        name, least, most = _BOUNDS[oid]
        length = len(_utf8(tag, value))
        if not least <= length <= most:
            allowed = f"{least}" if least == most else f"{least} to {most}"
            return f"a {name} of {length} octets, and there must be {allowed}"
    return ""


def _attributes(data: bytes, depth: int) -> Iterator[tuple[bytes, int, bytes]]:
    """Every attribute with a bound in an element or in those below it: its type, and the tag and content of its value."""
    while data and depth < _DEEPEST:
        try:
            tag, content, rest = read_der(data)
        except ValueError:
            return
        data = rest
        if tag == SEQUENCE:
            yield from _attribute(content)
        if tag & _CONSTRUCTED or tag == OCTET_STRING:
            yield from _attributes(content, depth + 1)


def _attribute(content: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """The content of a sequence as an attribute, if it is one: a type and a value (RFC 5280 section 4.1.2.4)."""
    if content[:1] != bytes([OBJECT_IDENTIFIER]):
        return
    try:
        _, _, rest = read_der(content)
        tag, value, after = read_der(rest)
    except ValueError:
        return
    oid = content[: len(content) - len(rest)]
    if oid in _BOUNDS and not after:
        yield oid, tag, value


def _utf8(tag: int, value: bytes) -> bytes:
    """A string as UTF-8, in which `cryptography` counts."""
    return value.decode(_WIDE[tag], "replace").encode() if tag in _WIDE else value
