"""A client that breaks the handshake's rules, by a TLS stack that lets it: tlslite-ng, of the extra ``wire``.

Python's `ssl` only plays by the rules. Here the CertificateVerify message (RFC 8446 section 4.4.3, RFC 5246 section 7.4.8)
is left out or spoilt on its way into the record layer, so that all else about the handshake is in order, over TLS 1.2 and
1.3 alike. The server's certificate is not looked at: it is the server that is on trial.
"""

from __future__ import annotations

import socket
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from pytest_mtls.cases.presentation import Presentation
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.errors import CaseNotPresentable
from pytest_mtls.reasons.alert import Alert
from pytest_mtls.reasons.alert_meaning import reasons_of_alert
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import Side
from pytest_mtls.reasons.versions import TLS_VERSIONS, VERSION_NUMBERS
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.transcript import Message, certificates_from, message_of, negotiated
from pytest_mtls.tls.wire import Deadline, wait_for

__all__ = ["shake_hands_badly"]

#: Signature schemes (RFC 8446 section 4.2.3): one that nobody has defined, and one of RSA keys.
_UNDEFINED_SCHEME = (0xFE, 0x00)
_RSA_PSS_SHA256 = (0x08, 0x04)

_VERSIONS = {tls: divmod(VERSION_NUMBERS[tls], 256) for tls in TLS_VERSIONS}


def _leave(message: Any) -> None:
    """Nothing: the client behaves, which shows that all else about it is in order."""


def _fuzz(message: Any) -> None:
    message.signature = bytes([*message.signature[:-1], message.signature[-1] ^ 1])


def _empty(message: Any) -> None:
    message.signature = b""


def _undefined(message: Any) -> None:
    message.signatureAlgorithm = _UNDEFINED_SCHEME


def _of_another_kind_of_key(message: Any) -> None:
    message.signatureAlgorithm = _RSA_PSS_SHA256


#: By name, as a client's case has it in its options: what is done to the CertificateVerify; None leaves it out.
MISBEHAVIOURS: Mapping[str, Callable[[Any], None] | None] = {
    "none": _leave,
    "certificate verify missing": None,
    "certificate verify fuzzed": _fuzz,
    "certificate verify empty": _empty,
    "certificate verify undefined": _undefined,
    "certificate verify of another kind of key": _of_another_kind_of_key,
}


def shake_hands_badly(
    presents: Presentation, plain: socket.socket, name: str, tls: str | None, deadline: Deadline
) -> Handshake:
    """Do a handshake that is broken as the presentation says, and read on until the verdict is known.

    Args:
        presents: what to present, with a misbehaviour.
        plain: the TCP connection, non-blocking.
        name: the host name to ask for.
        tls: "1.2" or "1.3"; the newest that both sides can by default.
        deadline: when to give up.

    Raises:
        CaseNotPresentable: the extra ``wire`` is not installed.
    """
    try:
        with warnings.catch_warnings():  # of asyncore, which it imports on Python 3.11 and older
            warnings.simplefilter("ignore", DeprecationWarning)
            from tlslite import errors
    except ImportError:
        problem = "it takes a TLS stack that can break the rules: python -m pip install 'pytest-mtls[wire]'"
        raise CaseNotPresentable(presents.name, problem) from None
    assert presents.identity is not None
    connection = _connection(plain, MISBEHAVIOURS[presents.misbehaviour or ""])
    undecided = Handshake("client", None)
    refused = replace(undecided, accepted=False, rejected_by="server", reason=Reason.UNSPECIFIED)
    try:
        _drive(_handshake(connection, presents.identity, name, tls), plain, deadline)
        accepted = connection.version < (3, 4) or _read_verdict(connection, plain, deadline)
    except TimeoutError as error:
        seen = replace(undecided, error=str(error))
    except errors.TLSRemoteAlert as error:
        alert = next((known for known in Alert if known == error.description), None)
        said, _ = reasons_of_alert(alert)
        seen = replace(refused, alert=alert, reason=said, error=str(error).replace("_", " "))
    except (OSError, errors.TLSAbruptCloseError, errors.TLSClosedConnectionError) as error:
        seen = replace(refused, error=str(error) or "the server ended the connection")
    except errors.TLSError as error:  # what the server sent is not TLS, or none that goes on from here
        seen = replace(undecided, error=f"tlslite-ng gave up: {error}")
    else:
        seen = replace(undecided, accepted=True)
        if not accepted:
            seen = replace(refused, error="the server ended the connection without a byte of data")
    transcript = tuple(connection.transcript)
    return replace(
        seen,
        tls_version=negotiated(transcript)[0],
        peer_chain_der=certificates_from(transcript, "server"),
        sent_chain_der=certificates_from(transcript, "client"),
        transcript=transcript,
    )


def _connection(plain: socket.socket, spoil: Callable[[Any], None] | None) -> Any:
    from tlslite.api import TLSConnection
    from tlslite.messages import CertificateVerify

    class Connection(TLSConnection):  # type: ignore[misc]
        """Spoils the one message before it is hashed and sent, and keeps all of them."""

        transcript: list[Message]

        def _sendMsg(self, msg: Any, *how: Any, **more: Any) -> Iterator[Any]:  # noqa: N802
            if isinstance(msg, CertificateVerify):
                if spoil is None:
                    return
                spoil(msg)
            self._keep("client", msg.contentType, msg.write())
            yield from super()._sendMsg(msg, *how, **more)

        def _getNextRecord(self) -> Iterator[Any]:  # noqa: N802
            for result in super()._getNextRecord():
                if result not in (0, 1):
                    header, parser = result
                    self._keep("server", header.type, parser.bytes)
                yield result

        def _keep(self, sender: Side, content_type: int, data: bytes) -> None:
            message = message_of(sender, content_type, bytes(data), tls13=self.version == (3, 4))
            if message is not None:
                self.transcript.append(message)

    connection = Connection(plain)
    connection.transcript = []
    return connection


def _handshake(connection: Any, identity: Identity, name: str, tls: str | None) -> Iterator[int]:
    from tlslite.api import HandshakeSettings, X509CertChain, parsePEMKey
    from tlslite.x509 import X509

    chain = []
    for certificate in identity.chain:
        parsed = X509()
        parsed.parseBinary(bytearray(certificate.public_bytes(Encoding.DER)))
        chain.append(parsed)
    settings = HandshakeSettings()
    settings.certificate_compression_send = settings.certificate_compression_receive = []
    settings.minVersion, settings.maxVersion = (3, 3), _VERSIONS[tls or "1.3"]
    if tls is not None:
        settings.minVersion = _VERSIONS[tls]
    key = parsePEMKey(identity.key_pem.decode(), private=True)
    steps: Iterator[int] = connection.handshakeClientCert(
        X509CertChain(chain), key, settings=settings, serverName=_as_server_name(name), async_=True
    )
    return steps


def _as_server_name(host: str) -> str | None:
    """The host as it stands in the server_name extension; None for an IP address, which never does (RFC 6066)."""
    from tlslite.utils.dns_utils import is_valid_hostname

    ascii_name = host.encode("idna").decode("ascii")
    return ascii_name if is_valid_hostname(ascii_name) else None


def _drive(steps: Iterator[Any], plain: socket.socket, deadline: Deadline) -> None:
    """Let tlslite-ng go on until it is done: it yields 0 where it waits to read, and 1 where it waits to write."""
    for step in steps:
        if step in (0, 1) and not wait_for(plain, deadline.remaining, to_write=step == 1):
            raise TimeoutError(f"the other side was silent until the deadline of {deadline.seconds:g} s")


def _read_verdict(connection: Any, plain: socket.socket, deadline: Deadline) -> bool:
    """Read until a TLS 1.3 server's judgement is known. False if its stream ended without one."""
    from tlslite import errors

    try:
        for step in connection.readAsync(1, 1):
            if step not in (0, 1):
                return bool(step or connection.tickets)
            if connection.tickets:
                return True
            if not wait_for(plain, deadline.remaining, to_write=step == 1):
                raise TimeoutError(f"the other side was silent until the deadline of {deadline.seconds:g} s")
    except (ConnectionError, errors.TLSAbruptCloseError, errors.TLSClosedConnectionError):
        if not connection.tickets:
            raise
    return bool(connection.tickets)
