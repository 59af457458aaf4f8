"""Mail, and FTP which answers in the same style: lines of text, with TLS on request (RFC 3207, 2595, 4217)."""

from __future__ import annotations

from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.client.protocols.meanings import answer_of
from pytest_mtls.client.protocols.protocol import Answer, UnexpectedAnswer, shortened
from pytest_mtls.client.protocols.target import Target

__all__ = [
    "ask_ftp",
    "ask_imap",
    "ask_pop3",
    "ask_smtp",
    "auth_tls",
    "greeted_ftp",
    "greeted_imap",
    "greeted_pop3",
    "greeted_smtp",
    "starttls_imap",
    "starttls_smtp",
    "stls",
]


def _ask(channel: Channel, command: bytes) -> None:
    channel.send(command + b"\r\n")


def _demand(answer: bytes, wanted: bytes, what: str) -> None:
    if not answer.startswith(wanted):
        raise UnexpectedAnswer(f"the server {what}: {shortened(answer)!r}")


def _reply(channel: Channel) -> bytes:
    """The last line of a reply of three digits (RFC 5321 section 4.2, RFC 959 section 4.2)."""
    line = channel.line()
    code = line[:3]
    while not line.startswith(code + b" ") and line != code:
        line = channel.line()
    return line


# --- SMTP and FTP ----------------------------------------------------------------------------------------------------


def starttls_smtp(channel: Channel, endpoint: Target) -> None:
    """Greeting, EHLO, STARTTLS (RFC 3207)."""
    _demand(_reply(channel), b"220", "does not greet as SMTP")
    _ask(channel, b"EHLO localhost")
    _demand(_reply(channel), b"250", "does not take EHLO")
    _ask(channel, b"STARTTLS")
    _demand(_reply(channel), b"220", "declined STARTTLS")


def ask_smtp(channel: Channel, endpoint: Target) -> Answer:
    """EHLO once more, as RFC 3207 section 4.2 wants it."""
    _ask(channel, b"EHLO localhost")
    return answer_of("smtp", shortened(_reply(channel)))


def greeted_smtp(channel: Channel, endpoint: Target) -> Answer:
    """The same where TLS comes first (RFC 8314 section 3.3)."""
    reply = _reply(channel)
    return ask_smtp(channel, endpoint) if reply.startswith(b"2") else answer_of("smtp", shortened(reply))


def auth_tls(channel: Channel, endpoint: Target) -> None:
    """Greeting, AUTH TLS (RFC 4217 section 4)."""
    _demand(_reply(channel), b"220", "does not greet as FTP")
    _ask(channel, b"AUTH TLS")
    _demand(_reply(channel), b"234", "declined AUTH TLS")


def ask_ftp(channel: Channel, endpoint: Target) -> Answer:
    """PBSZ 0, which is only allowed inside TLS (RFC 4217 section 9)."""
    _ask(channel, b"PBSZ 0")
    return answer_of("ftp", shortened(_reply(channel)))


def greeted_ftp(channel: Channel, endpoint: Target) -> Answer:
    """The same where TLS comes first."""
    reply = _reply(channel)
    return ask_ftp(channel, endpoint) if reply.startswith(b"2") else answer_of("ftp", shortened(reply))


# --- IMAP ------------------------------------------------------------------------------------------------------------


def starttls_imap(channel: Channel, endpoint: Target) -> None:
    """Greeting, STARTTLS (RFC 9051 section 6.2.1)."""
    _demand(channel.line(), b"* OK", "does not greet as IMAP")
    _ask(channel, b"a1 STARTTLS")
    _demand(_tagged(channel, b"a1 "), b"a1 OK", "declined STARTTLS")


def ask_imap(channel: Channel, endpoint: Target) -> Answer:
    """CAPABILITY, which any state allows. BYE rejects."""
    _ask(channel, b"a2 CAPABILITY")
    line = _tagged(channel, b"a2 ")
    return Answer(line.startswith(b"a2 OK"), shortened(line))


def greeted_imap(channel: Channel, endpoint: Target) -> Answer:
    """The same where TLS comes first (RFC 8314 section 3.2)."""
    line = channel.line()
    return ask_imap(channel, endpoint) if line.startswith(b"* OK") else Answer(False, shortened(line))


def _tagged(channel: Channel, tag: bytes) -> bytes:
    line = channel.line()
    while not line.startswith((tag, b"* BYE")):
        line = channel.line()
    return line


# --- POP3 ------------------------------------------------------------------------------------------------------------


def stls(channel: Channel, endpoint: Target) -> None:
    """Greeting, STLS (RFC 2595 section 4)."""
    _demand(channel.line(), b"+OK", "does not greet as POP3")
    _ask(channel, b"STLS")
    _demand(channel.line(), b"+OK", "declined STLS")


def ask_pop3(channel: Channel, endpoint: Target) -> Answer:
    """CAPA, which a server with STLS has (RFC 2595 section 4)."""
    _ask(channel, b"CAPA")
    line = channel.line()
    return Answer(line.startswith(b"+OK"), shortened(line))


def greeted_pop3(channel: Channel, endpoint: Target) -> Answer:
    """The same where TLS comes first (RFC 8314 section 3.1)."""
    line = channel.line()
    return ask_pop3(channel, endpoint) if line.startswith(b"+OK") else Answer(False, shortened(line))
