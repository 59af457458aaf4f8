"""A mutation fuzzer over what reads a peer's bytes: ``python tests/support/fuzzing.py --minutes 10 [target ...]``.

Each target has seeds that are well-formed, and may raise its documented errors only. What raises another is printed with the
input in hex, to be kept as a test. The same seed of the random numbers gives the same inputs.
"""

from __future__ import annotations

import argparse
import base64
import io
import random
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from pytest_mtls import (
    CertificateAuthority,
    CertificateSigningRequest,
    ESTServer,
    Handshake,
    MutualTLSServer,
    OCSPResponder,
    Reason,
    probe,
)
from pytest_mtls.conformance.chains import chain_facts
from pytest_mtls.errors import InvalidForwardedHeader
from pytest_mtls.proxies import STYLES
from pytest_mtls.proxies.headers import forwarded_headers, parse_forwarded_headers
from pytest_mtls.reasons.side import Side
from pytest_mtls.server.http1 import serve_http1
from pytest_mtls.server.wsgi import Answer
from pytest_mtls.tls import transcript
from pytest_mtls.tls.hello import Offer, choice_of, client_hello, messages_in, name_asked_for
from pytest_mtls.verdict.chain import chain_lines

__all__ = ["TARGETS", "Target", "fuzz", "mutated", "targets"]


@dataclass(frozen=True)
class Target:
    """One reader of a peer's bytes.

    Attributes:
        seeds: inputs that are well-formed.
        read: what reads one.
        documented: the errors that it may raise.
    """

    seeds: Sequence[bytes]
    read: Callable[[bytes], object]
    documented: tuple[type[Exception], ...] = ()


_ODD = (
    b"",
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\r\n",
    b"%",
    b'"',
    b",",
    b";",
    b"=",
    b"\xff\xff\xff\xff",
    b"\x30\x80",
)


def mutated(seed: bytes, chance: random.Random) -> bytes:
    """A seed with one to eight things changed: bits, bytes, parts doubled, moved, cut or taken away."""
    data = bytearray(seed)
    for _ in range(chance.randint(1, 8)):
        place = chance.randrange(len(data) + 1)
        end = min(len(data), place + chance.choice((1, 1, 2, 4, 16, 64)))
        kind = chance.randrange(6)
        if kind == 0 and place < len(data):
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 1 and place < len(data):
            data[place] = chance.randrange(256)
        elif kind == 2:
            data[place:place] = chance.choice(_ODD)
        elif kind == 3:
            del data[place:end]
        elif kind == 4:
            data[place:place] = data[place:end]
        elif kind == 5 and chance.randrange(8) == 0:
            del data[place:]
    return bytes(data)


_SIDES: tuple[Side, ...] = ("client", "server")


def _read_transcript(data: bytes) -> None:
    for version in (0x303, 0x304):
        for side in _SIDES:
            for content_type in (21, 22):
                messages = transcript.Transcript(side, [("write", version, content_type, data)])
                (message,) = messages
                transcript.was_sent(messages, side, message.name), transcript.failure(messages)
                str(message), message.alert, message.is_failure, message.certificates
                transcript.versions_offered(message)
                transcript.server_name(messages), transcript.negotiated(messages), transcript.negotiated_group(messages)
                transcript.signature_schemes_asked(messages), transcript.acceptable_authorities(messages)


def _read_hello(data: bytes) -> None:
    choice_of(messages_in(data, "server"))
    name_asked_for(data)


def _read_certificate(data: bytes) -> None:
    list(chain_lines([data, data], list(Reason), "localhost"))
    chain_facts([data, data], list(Reason), "localhost")


def _read_headers(data: bytes) -> None:
    style, _, rest = data.partition(b"\n")
    pairs = [line.partition(b": ")[::2] for line in rest.split(b"\n")]
    name = style.decode("latin-1")
    if name in STYLES:
        parse_forwarded_headers([(key.decode("latin-1"), value.decode("latin-1")) for key, value in pairs], name)


def _http_reader(handshake: Handshake) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            sender = threading.Thread(target=_send, args=(theirs, data))
            sender.start()
            try:
                serve_http1(ours, handshake, lambda request, _: Answer("200 OK", (), b""))
            finally:
                ours.close()
                sender.join()

    return read


def _est_reader(server: ESTServer, handshake: Handshake) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        """A path, what authorizes, and a request: as it is, and in base64 as RFC 7030 section 4.2.1 has it."""
        path, _, rest = data.partition(b"\n")
        authorization, _, body = rest.partition(b"\n")
        for sent in (body, base64.encodebytes(body)):
            environ = {
                "REQUEST_METHOD": "POST",
                "PATH_INFO": path.decode("latin-1"),
                "HTTP_AUTHORIZATION": authorization.decode("latin-1"),
                "CONTENT_TYPE": "application/pkcs10",
                "wsgi.input": io.BytesIO(sent),
                "pytest_mtls.handshake": handshake,
            }
            list(server._application(environ, lambda *_: None))

    return read


def _send(sock: socket.socket, data: bytes) -> None:
    try:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    except OSError:
        pass


def targets() -> Mapping[str, Target]:
    """Every target with its seeds, which are made anew."""
    ca = CertificateAuthority.create("own")
    client = ca.intermediate("below").issue_client("alice", sans=["alice.example", "10.0.0.1"])
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
        seen = [probe(server, client, tls=tls) for tls in ("1.2", "1.3")]
    bodies = [message.body for handshake in seen for message in handshake.transcript]
    heads = [
        f"{style}\n" + "\n".join(f"{name}: {value}" for name, value in forwarded_headers(client, style).items())
        for style in STYLES
    ]
    builder = ocsp.OCSPRequestBuilder().add_certificate(client.certificate, client.chain[1], hashes.SHA256())
    request = builder.build().public_bytes(Encoding.DER)
    http = (
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /a?b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nA: b\r\n\r\n",
    )
    offer = Offer("1.2", (0xC02B, 0xC02F), (23, 24), "localhost")
    responder = OCSPResponder(ca)
    with_nonce = builder.add_extension(x509.OCSPNonce(bytes(16)), critical=False).build().public_bytes(Encoding.DER)
    asked = CertificateSigningRequest.create("alice", sans=["alice.example", "10.0.0.1"])
    enrolment = x509.load_pem_x509_csr(asked.pem).public_bytes(Encoding.DER)
    password = b"Basic " + base64.b64encode(b"alice:secret")
    est = ESTServer(ca, users={"alice": "secret"})
    enrolments = [
        b"/.well-known/est/simpleenroll\n" + password + b"\n" + enrolment,
        b"/.well-known/est/label/simplereenroll\n\n" + enrolment,
    ]
    return {
        "transcript": Target([bytes(body) for body in bodies], _read_transcript),
        "hello": Target([client_hello(offer)], _read_hello),
        "certificate": Target([client.der], _read_certificate),
        "headers": Target([head.encode("latin-1") for head in heads], _read_headers, (InvalidForwardedHeader,)),
        "http": Target(http, _http_reader(seen[1]), (OSError,)),
        "ocsp": Target([request, with_nonce], responder.answer),
        "est": Target(enrolments, _est_reader(est, seen[1].counterpart or seen[1])),
    }


TARGETS = ("transcript", "hello", "certificate", "headers", "http", "ocsp", "est")


def fuzz(target: Target, *, number: int, until: Callable[[int], bool]) -> tuple[int, list[tuple[bytes, Exception]]]:
    """Read inputs until it is enough.

    Args:
        target: what reads them.
        number: the seed of the random numbers.
        until: told how many were read, says whether it is enough.

    Returns:
        How many were read, and those that raised what is not documented, one for each line that raised.
    """
    chance = random.Random(number)
    count, found = 0, dict[tuple[str, int], tuple[bytes, Exception]]()
    while not until(count):
        data = mutated(chance.choice(target.seeds), chance)
        count += 1
        try:
            target.read(data)
        except target.documented:
            pass
        except Exception as error:  # noqa: BLE001 - that is what is looked for
            last = traceback.extract_tb(error.__traceback__)[-1]
            found.setdefault((last.filename, last.lineno or 0), (data, error))
    return count, list(found.values())


def _is_over(end: float, _: int) -> bool:
    return time.monotonic() > end


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Fuzz each target for so many minutes, and say what fell out; 0 if nothing did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="for each target")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("targets", nargs="*", metavar="target", help=f"of {', '.join(TARGETS)}; all by default")
    options = parser.parse_args()
    known, failed = targets(), False
    for name in options.targets or TARGETS:
        end = time.monotonic() + 60 * options.minutes
        count, found = fuzz(known[name], number=options.seed, until=partial(_is_over, end))
        _say(f"{name}: {count} inputs, {len(found)} errors that are not documented")
        for data, error in found:
            failed = True
            _say(f"  {data.hex()}")
            _say("".join(traceback.format_exception(error)))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
