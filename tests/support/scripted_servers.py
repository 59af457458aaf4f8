"""Servers of many protocols, each no more than a script: what is said in plain, and what inside TLS."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from pytest_mtls import CertificateAuthority, Endpoint

__all__ = ["MYSQL_GREETING", "SCRIPTS", "STARTTLS", "Script", "Step", "scripted", "scripted_server"]

#: Bytes are said; a pattern is waited for.
Step = bytes | re.Pattern[bytes]


@dataclass(frozen=True)
class Script:
    """One protocol's server.

    Attributes:
        plain: what is said and heard before TLS.
        inside: the same inside TLS, for a client that is taken in.
        rejection: the same for one that is rejected there.
        declines: what is said instead of the last step of ``plain`` by a server that does not do TLS.
        answer: what the probe says of the answer, a pattern.
        starttls: what ``openssl s_client -starttls`` calls it; empty if it does not know it.
        plain_for_openssl: ``plain`` for that program, where it says more than it needs to.
    """

    plain: Sequence[Step]
    inside: Sequence[Step]
    refusal: Sequence[Step]
    answer: str
    declines: bytes = b""
    starttls: str = ""
    plain_for_openssl: Sequence[Step] = ()


def heard(text: bytes) -> re.Pattern[bytes]:
    return re.compile(text, re.DOTALL)


def _mysql(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number]) + payload


def _mysql_greeting(capabilities: int) -> bytes:
    low, high = (capabilities & 0xFFFF).to_bytes(2, "little"), (capabilities >> 16).to_bytes(2, "little")
    fixed = b"\x01\0\0\0" + b"12345678\0" + low + b"\x21\x02\0" + high + b"\x15" + bytes(10)
    return _mysql(0, b"\x0a10.11.0-scripted\0" + fixed + b"901234567890\0mysql_native_password\0")


#: Of a server that offers TLS.
MYSQL_GREETING = _mysql_greeting(0x80000 | 0x8000 | 0x800 | 0x200)

_STREAM = (
    b"<?xml version='1.0'?><stream:stream from='localhost' id='1' version='1.0' xmlns='jabber:client' "
    b"xmlns:stream='http://etherx.jabber.org/streams'>"
)
_LDAP_SEARCH = heard(rb"\x02\x01\x02\x63.*objectClass.*1\.1")

SCRIPTS: Mapping[str, Script] = {
    "https": Script(
        (),
        (heard(rb"GET / HTTP/1.1\r\nHost: localhost:\d+\r\n.*\r\n\r\n"), b"HTTP/1.1 204 No Content\r\n\r\n"),
        (heard(rb"\r\n\r\n"), b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"),
        "HTTP 204|HTTP 403",
    ),
    "h2": Script(
        (),
        (heard(rb"PRI \* HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0"), bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])),
        (heard(rb"PRI "), bytes([0, 0, 8, 7, 0, 0, 0, 0, 0]) + bytes(8)),
        "HTTP/2 SETTINGS|HTTP/2 GOAWAY",
    ),
    "postgres": Script(
        (heard(rb"\0\0\0\x08\x04\xd2\x16\x2f"), b"S"),
        (heard(rb"\0\x03\0\0user\0postgres\0database\0postgres\0\0"), b"R\0\0\0\x08\0\0\0\0"),
        (heard(rb"\0\0"), b"E\0\0\0\x2aSFATAL\0C28000\0Mno such luck with TLS\0\0"),
        "authenticated|no such luck with TLS",
        b"N",
        "postgres",
    ),
    "mysql": Script(
        (MYSQL_GREETING, heard(rb"\x20\0\0\x01.{32}")),
        (heard(rb"\x02.{32}root\0\0mysql_native_password\0"), _mysql(3, b"\0\0\0\x02\0\0\0")),
        (heard(rb"root\0"), _mysql(3, b"\xff\x15\x04#28000Access denied for user 'root'")),
        "logged in|error 1045: Access denied for user 'root'",
        _mysql_greeting(0x80000 | 0x8000 | 0x200),
        "mysql",
    ),
    "smtp": Script(
        (b"220-hello\r\n220 mail\r\n", heard(rb"EHLO \S+\r\n"), b"250-mail\r\n250-STARTTLS\r\n250 HELP\r\n",
         heard(rb"STARTTLS\r\n"), b"220 go ahead\r\n"),
        (heard(rb"EHLO \S+\r\n"), b"250-mail\r\n250 HELP\r\n"),
        (heard(rb"EHLO \S+\r\n"), b"554 5.7.1 no certificate\r\n"),
        "250 HELP|554 5.7.1 no certificate",
        b"502 no\r\n",
        "smtp",
    ),
    "imap": Script(
        (b"* OK IMAP4rev1\r\n", heard(rb"a1 STARTTLS\r\n"), b"* 1 thing\r\na1 OK begin\r\n"),
        (heard(rb"a2 CAPABILITY\r\n"), b"* CAPABILITY IMAP4rev1\r\na2 OK done\r\n"),
        (heard(rb"a2 CAPABILITY\r\n"), b"* BYE no certificate\r\n"),
        r"a2 OK done|\* BYE no certificate",
        b"a1 BAD no\r\n",
        "imap",
        (b"* OK IMAP4rev1\r\n", heard(rb"\. CAPABILITY\r\n"), b"* CAPABILITY IMAP4rev1 STARTTLS\r\n. OK done\r\n",
         heard(rb"\. STARTTLS\r\n"), b". OK begin\r\n"),
    ),
    "pop3": Script(
        (b"+OK POP3\r\n", heard(rb"STLS\r\n"), b"+OK begin\r\n"),
        (heard(rb"CAPA\r\n"), b"+OK list\r\nTOP\r\n.\r\n"),
        (heard(rb"CAPA\r\n"), b"-ERR no certificate\r\n"),
        r"\+OK list|-ERR no certificate",
        b"-ERR no\r\n",
        "pop3",
    ),
    "ftp": Script(
        (b"220-hello\r\n220 FTP\r\n", heard(rb"AUTH TLS\r\n"), b"234 go\r\n"),
        (heard(rb"PBSZ 0\r\n"), b"200 fine\r\n"),
        (heard(rb"PBSZ 0\r\n"), b"522 no certificate\r\n"),
        "200 fine|522 no certificate",
        b"502 no\r\n",
        "ftp",
    ),
    "ldap": Script(
        (heard(rb"\x30\x1d\x02\x01\x01\x77\x18\x80\x161\.3\.6\.1\.4\.1\.1466\.20037"),
         bytes.fromhex("300c 020101 7807 0a0100 0400 0400")),
        (_LDAP_SEARCH, bytes.fromhex("3009 020102 6404 0400 3000 300c 020102 6507 0a0100 0400 0400")),
        (_LDAP_SEARCH, bytes.fromhex("300c 020102 6507 0a0132 0400 0400")),
        "LDAP entry|LDAP result 50",
        bytes.fromhex("300c 020101 7807 0a0102 0400 0400"),
        "ldap",
    ),
    "xmpp": Script(
        (heard(rb"<stream:stream [^>]*>"),
         _STREAM + b"<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/></stream:features>",
         heard(rb"<starttls [^>]*>"), b"<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"),
        (heard(rb"<stream:stream to='localhost'[^>]*>"), _STREAM + b"<stream:features><x/></stream:features>"),
        (heard(rb"<stream:stream [^>]*>"), _STREAM + b"<stream:error><not-authorized/></stream:error>"),
        r"stream features|.*<stream:error><not-authorized/></stream:error>",
        b"<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
        "xmpp",
    ),
    "redis": Script(
        (),
        (heard(rb"PING\r\n"), b"+PONG\r\n"),
        (heard(rb"PING\r\n"), b"-NOAUTH Authentication required.\r\n"),
        r"\+PONG|-NOAUTH Authentication required\.",
    ),
    "mqtt": Script(
        (),
        (heard(rb"\x10\x0c\0\x04MQTT\x04\x02\0\x3c\0\0"), bytes([0x20, 2, 0, 0])),
        (heard(rb"MQTT"), bytes([0x20, 2, 0, 5])),
        "CONNACK 0|CONNACK 5, not authorized",
    ),
}  # fmt: skip


def perform(sock: socket.socket, steps: Sequence[Step]) -> None:
    """Say and hear what the script has."""
    received = b""
    for step in steps:
        if isinstance(step, bytes):
            sock.sendall(step)
            continue
        while not (found := step.search(received)):
            data = sock.recv(1)  # and no more: TLS may follow
            if not data:
                raise EOFError(f"the client left before it said {step.pattern!r}; it said {received!r}")
            received += data
        received = received[found.end() :]


@contextmanager
def scripted_server(
    context: ssl.SSLContext, plain: Sequence[Step], inside: Sequence[Step] | None
) -> Iterator[tuple[tuple[str, int], list[BaseException]]]:
    """A server that performs a script for each client, one after the other; gives its address and what went wrong in it.

    Args:
        context: for TLS, between the two parts.
        plain, inside: the script; ``inside`` is None for a server that closes before TLS.
    """
    wrong: list[BaseException] = []

    def serve_one(sock: socket.socket) -> None:
        perform(sock, plain)
        if inside is None:
            return
        with context.wrap_socket(sock, server_side=True) as tls:
            perform(tls, inside)
            with suppress(OSError):
                tls.unwrap()

    with _listening(serve_one, wrong) as address:
        yield address, wrong


@contextmanager
def _listening(serve_one: Callable[[socket.socket], None], wrong: list[BaseException]) -> Iterator[tuple[str, int]]:
    is_over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                sock, _ = listener.accept()
                with sock:
                    if is_over.is_set():
                        return
                    sock.settimeout(10)
                    try:
                        serve_one(sock)
                    except (OSError, EOFError) as error:
                        wrong.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            is_over.set()
            socket.create_connection(listener.getsockname()).close()
            thread.join()


#: Those that are spoken in plain first.
STARTTLS = [name for name, script in SCRIPTS.items() if script.plain]


def scripted(address: tuple[str, int], protocol: str, ca: CertificateAuthority) -> Endpoint:
    """The endpoint of a scripted server."""
    return Endpoint(*address, protocol=protocol, server_name="localhost", trust=ca, ca=ca)
