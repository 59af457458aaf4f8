"""Whether a private key is in what a program printed, whatever form it was printed in. No sockets here.

An output is read as it is, and as what it stands for: base64 of both alphabets, hexadecimal, numbers, the escapes of Python,
C, JSON and URLs, UTF-16, gzip; and what comes of that is read again, since a key in PEM may itself be written in base64. The
numbers that make the key a private one are then looked for, and parts of them that nobody would guess.
"""

from __future__ import annotations

import base64
import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import suppress

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pytest_mtls.certificates.key import PrivateKey

__all__ = ["is_key_in"]

#: So many bytes of a key are not met by chance.
_TELLING = 8
#: A part of a key is looked for at each so many bytes, so that any part of 12 is found. A line of a dump has 16.
_STEP = 5
#: How often what is written in one form may have been written in another before.
_DEPTH = 3

_BASE64 = re.compile(rb"[A-Za-z0-9+/]{12,}")
_STANDARD_ALPHABET = bytes.maketrans(b"-_", b"+/")
_GZIP = re.compile(rb"\x1f\x8b\x08")
_GZIP_FORMAT = 31  # to zlib
_MOST_UNPACKED = 1 << 20
_SPACE = re.compile(rb"\s+")
_HEX = re.compile(rb"[0-9a-f]{16,}")
_BETWEEN_HEX = re.compile(rb"0x|\\x|[\s:,;{}()-]")
_HEX_NUMBERS = re.compile(rb"0x([0-9a-f]{1,2})(?![0-9a-f])")
_NUMBERS = re.compile(rb"-?\b\d{1,3}(?:[\s,;]+-?\d{1,3}\b){7,}")
_NUMBER = re.compile(rb"-?\d+")
_ESCAPE = re.compile(rb"\\x([0-9a-fA-F]{2})|\\u00([0-9a-fA-F]{2})|%([0-9a-fA-F]{2})|\\([nrtabfv'\"\\/])")
#: The others stand for themselves.
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def is_key_in(output: bytes, key: PrivateKey) -> bool:
    """Whether a private key, or a part of it, is in an output.

    Args:
        output: all that was printed.
        key: the key.
    """
    secrets = _secrets_of(key)
    parts = {part for secret in secrets for written in (secret, secret[::-1]) for part in _parts(written)}
    parts |= {str(int.from_bytes(secret, "big")).encode() for secret in secrets}
    return any(part in reading for reading in _readings(output, _DEPTH) for part in parts)


def _secrets_of(key: PrivateKey) -> tuple[bytes, ...]:
    """The numbers each of which makes a key a private one, as every form of it has them."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return (key.private_numbers().private_value.to_bytes((key.curve.key_size + 7) // 8, "big"),)
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        return tuple(one.to_bytes((one.bit_length() + 7) // 8, "big") for one in (numbers.d, numbers.p, numbers.q))
    return (key.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption()),)


def _parts(secret: bytes) -> Iterator[bytes]:
    last = len(secret) - _TELLING
    return (secret[at : at + _TELLING] for at in {*range(0, last + 1, _STEP), last})


def _readings(written: bytes, depth: int) -> Iterator[bytes]:
    """What is written, and all that it may stand for."""
    yield written
    if depth > 0:
        for reading in _decoded(written):
            if reading:
                yield from _readings(reading, depth - 1)


def _decoded(written: bytes) -> Iterator[bytes]:
    for start in _GZIP.finditer(written):
        with suppress(zlib.error):
            yield zlib.decompressobj(_GZIP_FORMAT).decompress(written[start.start() :], _MOST_UNPACKED)
    if b"\0" in written:
        yield written.replace(b"\0", b"")  # UTF-16
    if _ESCAPE.search(written):
        yield _ESCAPE.sub(_unescaped, written)
    standard = written.translate(_STANDARD_ALPHABET)
    yield from _from_base64(_BASE64.findall(standard))
    without_space = _SPACE.sub(b"", standard)
    if without_space != standard:
        yield from _from_base64(_BASE64.findall(without_space))
    lower = written.lower()
    yield from _from_hex(_HEX.findall(_BETWEEN_HEX.sub(b"", lower)))
    yield bytes(int(digits, 16) for digits in _HEX_NUMBERS.findall(lower))
    numbers = (int(number) for run in _NUMBERS.findall(written) for number in _NUMBER.findall(run))
    yield bytes(number & 0xFF for number in numbers)


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if escape[4] is not None:
        return _ESCAPED.get(escape[4].decode(), escape[4].decode()).encode()
    return bytes([int(escape[1] or escape[2] or escape[3], 16)])


def _from_base64(runs: Iterable[bytes]) -> Iterator[bytes]:
    """Four characters stand for three bytes; which four depends on what stands before them."""
    found = list(runs)
    for at in range(4):
        yield b"\n".join(base64.b64decode(run[at : at + (len(run) - at) // 4 * 4]) for run in found)


def _from_hex(runs: Iterable[bytes]) -> Iterator[bytes]:
    """Two digits stand for a byte; some dumps write the two bytes of a word the other way round."""
    found = list(runs)
    for at in range(2):
        decoded = [bytes.fromhex(run[at : at + (len(run) - at) // 2 * 2].decode()) for run in found]
        yield b"\n".join(decoded)
        yield b"\n".join(_swapped(one, start) for one in decoded for start in range(2))


def _swapped(data: bytes, start: int) -> bytes:
    words = bytearray(data[start : start + (len(data) - start) // 2 * 2])
    words[::2], words[1::2] = words[1::2], words[::2]
    return bytes(words)
