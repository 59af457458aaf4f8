"""A client's Certificate message replaced on its way, for what no TLS library would send of itself.

In TLS 1.2 the message is plain on the wire (RFC 5246 section 7.4.6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from pytest_mtls.tls.transcript import certificates_in

__all__ = ["CertificateRewriter"]

_CHANGE_CIPHER_SPEC, _HANDSHAKE = 20, 22
_CERTIFICATE = 11
_LARGEST_RECORD = 16384
_VERSION = b"\x03\x03"


class CertificateRewriter:
    """Replaces the Certificate message in what a client writes; for `Relay`.

    Args:
        rewrite: makes of the certificates in the message, DER, the message's new body.
    """

    def __init__(self, rewrite: Callable[[tuple[bytes, ...]], bytes]) -> None:
        self._rewrite = rewrite
        self._unread = b""
        self._messages = b""
        self._is_encrypted = False

    def __call__(self, written: bytes) -> Iterable[bytes]:
        """What goes on to the server of it now."""
        self._unread += written
        flight = b"".join(self._records())
        return [flight] if flight else []  # in one piece, as from a client without a rewriter

    def _records(self) -> Iterator[bytes]:
        """The records that are complete, the Certificate message replaced."""
        while len(self._unread) >= 5:
            size = int.from_bytes(self._unread[3:5], "big")
            if len(self._unread) < 5 + size:
                return
            record, self._unread = self._unread[: 5 + size], self._unread[5 + size :]
            self._is_encrypted = self._is_encrypted or record[0] == _CHANGE_CIPHER_SPEC
            if self._is_encrypted or record[0] != _HANDSHAKE:
                yield record
            else:
                self._messages += record[5:]
                yield from self._handshake_records()

    def _handshake_records(self) -> Iterator[bytes]:
        """Each handshake message that is complete, in records of its own."""
        while len(self._messages) >= 4:
            size = 4 + int.from_bytes(self._messages[1:4], "big")
            if len(self._messages) < size:
                return
            message, self._messages = self._messages[:size], self._messages[size:]
            if message[0] == _CERTIFICATE:
                body = self._rewrite(certificates_in(message[4:], tls13=False))
                message = bytes([_CERTIFICATE]) + len(body).to_bytes(3, "big") + body
            for start in range(0, len(message), _LARGEST_RECORD):
                part = message[start : start + _LARGEST_RECORD]
                yield bytes([_HANDSHAKE]) + _VERSION + len(part).to_bytes(2, "big") + part
