"""LDAP, with TLS on request by the StartTLS operation (RFC 4511 section 4.14)."""

from __future__ import annotations

from pytest_mtls.certificates.der import element, integer, sequence
from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.client.protocols.protocol import Answer, UnexpectedAnswer
from pytest_mtls.client.protocols.target import Target

__all__ = ["message_in", "search_root", "search_root_message", "start_tls", "start_tls_message"]

_START_TLS = b"1.3.6.1.4.1.1466.20037"
_EXTENDED_REQUEST, _EXTENDED_RESPONSE = 0x77, 0x78
_SEARCH_ENTRY, _SEARCH_DONE = 0x64, 0x65
#: The results busy and unavailable (RFC 4511 appendix A.2).
_NOT_READY = (51, 52)

#: SearchRequest of the root DSE (RFC 4512 section 5.1): base "", its entry alone, (objectClass=*), no attributes.
_SEARCH_ROOT = bytes.fromhex("6325 0400 0a0100 0a0100 020100 020100 010100 870b") + b"objectClass\x30\x05\x04\x031.1"


def start_tls(channel: Channel, endpoint: Target) -> None:
    """The StartTLS extended operation."""
    channel.send(start_tls_message())
    operation, code = _receive(channel)
    if operation != _EXTENDED_RESPONSE or code != 0:
        raise UnexpectedAnswer(f"the server declined StartTLS: LDAP result {code}")


def search_root(channel: Channel, endpoint: Target) -> Answer:
    """Read the root DSE. An error instead of it, or a Notice of Disconnection, rejects."""
    channel.send(search_root_message(2))
    operation, code = _receive(channel)
    if operation == _SEARCH_ENTRY:
        return Answer(True, "LDAP entry")
    if operation not in (_SEARCH_DONE, _EXTENDED_RESPONSE):
        raise UnexpectedAnswer(f"the server's answer is not one to a search: LDAP operation {operation:#x}")
    if code in _NOT_READY:
        raise UnexpectedAnswer(f"the server is not ready: LDAP result {code}")
    return Answer(operation == _SEARCH_DONE and code == 0, f"LDAP result {code}")


def start_tls_message() -> bytes:
    """The request for StartTLS, with the message number 1."""
    return sequence(integer(1), element(_EXTENDED_REQUEST, element(0x80, _START_TLS)))


def search_root_message(number: int) -> bytes:
    """The search for the root DSE, with a message number."""
    return sequence(integer(number), _SEARCH_ROOT)


def message_in(channel: Channel) -> bytes:
    """The next message, without its outermost tag and length.

    Raises:
        UnexpectedAnswer: it is not LDAP.
    """
    tag, length = channel.exactly(2)
    if tag != 0x30:
        raise UnexpectedAnswer(f"the server's answer is not LDAP: it begins with {tag:#x}")
    if length & 0x80:
        length = int.from_bytes(channel.exactly(length & 0x7F), "big")
    return channel.exactly(length)


def _receive(channel: Channel) -> tuple[int, int]:
    """The operation of a message, and the result code where it begins with one."""
    message = message_in(channel)
    operation = message[2 + message[1] :] if len(message) > 1 else b""
    if len(operation) < 2:
        raise UnexpectedAnswer("the server's answer is not LDAP: it has no operation")
    size = 2 + (operation[1] & 0x7F if operation[1] & 0x80 else 0)
    return operation[0], _result(operation[size:])


def _result(content: bytes) -> int:
    return content[2] if content[:2] == b"\x0a\x01" and len(content) > 2 else -1
