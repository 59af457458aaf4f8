"""PostgreSQL and MySQL, which are asked for TLS in their own way, and Redis."""

from __future__ import annotations

import hashlib

from pytest_mtls.client.protocols.channel import Channel
from pytest_mtls.client.protocols.meanings import answer_of
from pytest_mtls.client.protocols.protocol import Answer, UnexpectedAnswer, shortened
from pytest_mtls.client.protocols.target import Target
from pytest_mtls.reasons.reason import Reason

__all__ = [
    "is_login_answered_mysql",
    "log_in_mysql",
    "login_mysql",
    "ping",
    "request_ssl_mysql",
    "request_ssl_postgres",
    "ssl_request_mysql",
    "start_postgres",
]


# --- PostgreSQL (protocol 3.0, "Message Formats") ---------------------------------------------------------------------

_SSL_REQUEST = (8).to_bytes(4, "big") + (80877103).to_bytes(4, "big")
_PROTOCOL_3 = (196608).to_bytes(4, "big")
_AUTHENTICATION_OK = 0
#: What the server says to a client without certificate.
_NO_CERTIFICATE = "connection requires a valid client certificate"
#: SQLSTATE class 28, "invalid authorization specification".
_INVALID_AUTHORIZATION = b"28"


def request_ssl_postgres(channel: Channel, endpoint: Target) -> None:
    """SSLRequest, to which the server answers S or N."""
    channel.send(_SSL_REQUEST)
    answer = channel.exactly(1)
    if answer != b"S":
        raise UnexpectedAnswer("the server declined SSLRequest" if answer == b"N" else "the server is not PostgreSQL")


def start_postgres(channel: Channel, endpoint: Target) -> Answer:
    """StartupMessage. A request for a password accepts: the certificate has been looked at by then.

    With ``clientcert=verify-full`` beside a method that asks for a password, the name in the certificate is compared
    only after the password, which is not sent.
    """
    user = endpoint.user or "postgres"
    database = endpoint.path.strip("/") or user
    body = _PROTOCOL_3 + b"".join(f"{word}\0".encode() for word in ("user", user, "database", database)) + b"\0"
    channel.send((len(body) + 4).to_bytes(4, "big") + body)
    kind = channel.exactly(1)
    message = channel.exactly(int.from_bytes(channel.exactly(4), "big") - 4)
    if kind == b"R":
        method = int.from_bytes(message[:4], "big")
        return Answer(True, "authenticated" if method == _AUTHENTICATION_OK else f"authentication request {method}")
    if kind != b"E":
        raise UnexpectedAnswer(f"the server's answer is not PostgreSQL: it begins with {kind!r}")
    fields = {field[:1]: field[1:] for field in message.split(b"\0") if field}
    said = shortened(fields.get(b"M", b""))
    if not fields.get(b"C", b"").startswith(_INVALID_AUTHORIZATION):
        raise UnexpectedAnswer(f"the server is not ready: {said}")
    return Answer(False, said, Reason.NO_CERTIFICATE if said == _NO_CERTIFICATE else Reason.ACCESS_DENIED)


# --- MySQL and MariaDB ("Connection Phase") ---------------------------------------------------------------------------

_PROTOCOL_41, _SSL, _SECURE_CONNECTION, _PLUGIN_AUTH = 0x200, 0x800, 0x8000, 0x80000
_CAPABILITIES = _PROTOCOL_41 | _SSL | _SECURE_CONNECTION | _PLUGIN_AUTH
_LONGEST_PACKET = (1 << 24).to_bytes(4, "little")
_UTF8 = 33
_CLIENT_HEAD = _CAPABILITIES.to_bytes(4, "little") + _LONGEST_PACKET + bytes([_UTF8]) + bytes(23)
_OK, _MORE, _SWITCH, _ERROR = 0x00, 0x01, 0xFE, 0xFF
_FAST_LOGIN, _FULL_LOGIN = 3, 4
#: The errors by which an account rejects: ER_ACCESS_DENIED_ERROR, ER_ACCESS_DENIED_NO_PASSWORD_ERROR.
_DENIED = (1045, 1698)


def request_ssl_mysql(channel: Channel, endpoint: Target) -> None:
    """SSLRequest in answer to the server's greeting, which has to say that it can."""
    channel.send(ssl_request_mysql(channel))


def ssl_request_mysql(channel: Channel) -> bytes:
    """Hear the server's greeting; gives the SSLRequest that answers it.

    Raises:
        UnexpectedAnswer: the server is not ready, is not MySQL, or does not offer TLS.
    """
    number, greeting = _packet(channel)
    if greeting[:1] == bytes([_ERROR]):
        raise UnexpectedAnswer(f"the server is not ready: {_error(greeting)[1]}")
    version, _, rest = greeting[1:].partition(b"\0")
    if greeting[:1] != b"\x0a" or len(rest) < 31:
        raise UnexpectedAnswer(f"the server does not greet as MySQL: {shortened(greeting)!r}")
    if not int.from_bytes(rest[13:15], "little") & _SSL:
        raise UnexpectedAnswer(f"the server, MySQL {shortened(version)}, does not offer TLS")
    plugin_data_length = max(13, rest[20] - 8)
    channel.notes["scramble"] = rest[4:12] + rest[31 : 31 + plugin_data_length].rstrip(b"\0")
    channel.notes["plugin"] = rest[31 + plugin_data_length :].partition(b"\0")[0]
    channel.notes["number"] = bytes([number + 2])
    return _framed(number + 1, _CLIENT_HEAD)


def log_in_mysql(channel: Channel, endpoint: Target) -> Answer:
    """Log in as the endpoint's user (``root`` by default), with its password.

    ``REQUIRE X509`` and the like are a matter of the account: the server completes the handshake with a client that has
    no certificate, and rejects the login by the same error as for a wrong password. So user and password have to be
    right for a rejection to mean anything, which the positive control shows.
    """
    plugin, password = channel.notes["plugin"], (endpoint.password or "").encode()
    channel.send(login_mysql(channel, endpoint))
    while True:
        number, answer = _packet(channel)
        kind = answer[0] if answer else _ERROR
        if kind == _OK:
            return Answer(True, "logged in")
        if kind == _ERROR:
            code, text = _error(answer)
            if code not in _DENIED:
                raise UnexpectedAnswer(f"the server is not ready: {text}")
            return Answer(False, text)
        if kind == _SWITCH:
            plugin, _, data = answer[1:].partition(b"\0")
            channel.send(
                _framed(number + 1, _proof(plugin, password, data.rstrip(b"\0")) or b"\0" * (b"sha2" in plugin))
            )
        elif kind == _MORE and answer[1:2] == bytes([_FULL_LOGIN]):
            channel.send(_framed(number + 1, password + b"\0"))
        elif kind != _MORE:
            raise UnexpectedAnswer(f"the server's answer is not MySQL: it begins with {kind:#x}")


def login_mysql(channel: Channel, endpoint: Target) -> bytes:
    """The login that follows SSLRequest."""
    number, scramble, plugin = channel.notes["number"][0], channel.notes["scramble"], channel.notes["plugin"]
    proof = _proof(plugin, (endpoint.password or "").encode(), scramble)
    user = (endpoint.user or "root").encode()
    return _framed(number, _CLIENT_HEAD + user + b"\0" + bytes([len(proof)]) + proof + plugin + b"\0")


def is_login_answered_mysql(channel: Channel) -> bool:
    """Whether the next packet is an answer to a login, good or bad, and not an error of the protocol."""
    _, answer = _packet(channel)
    return answer[:1] != bytes([_ERROR]) or _error(answer)[0] in _DENIED


def _proof(plugin: bytes, password: bytes, scramble: bytes) -> bytes:
    """What shows that the client knows the password, as the server's authentication plugin wants it."""
    if not password:
        return b""
    if plugin == b"mysql_native_password":
        once = hashlib.sha1(password).digest()
        return _xor(once, hashlib.sha1(scramble[:20] + hashlib.sha1(once).digest()).digest())
    if plugin == b"caching_sha2_password":
        once = hashlib.sha256(password).digest()
        return _xor(once, hashlib.sha256(hashlib.sha256(once).digest() + scramble[:20]).digest())
    raise UnexpectedAnswer(f"the server wants to authenticate by {shortened(plugin)}, which is not known here")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _packet(channel: Channel) -> tuple[int, bytes]:
    head = channel.exactly(4)
    return head[3], channel.exactly(int.from_bytes(head[:3], "little"))


def _framed(number: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number & 0xFF]) + payload


def _error(packet: bytes) -> tuple[int, str]:
    text = packet[3:]
    code = int.from_bytes(packet[1:3], "little")
    return code, f"error {code}: {shortened(text[6:] if text[:1] == b'#' else text)}"


# --- Redis (RESP) ----------------------------------------------------------------------------------------------------


def ping(channel: Channel, endpoint: Target) -> Answer:
    """AUTH if the endpoint has a password, then PING."""
    if endpoint.password is not None:
        words = [word.encode() for word in (endpoint.user, endpoint.password) if word is not None]
        channel.send(_command(b"AUTH", *words))
        said = channel.line()
        if not said.startswith(b"+"):
            return answer_of("redis", shortened(said))
    channel.send(b"PING\r\n")
    line = channel.line()
    if line[:1] not in (b"+", b"-"):
        raise UnexpectedAnswer(f"the server's answer is not Redis: {shortened(line)!r}")
    return answer_of("redis", shortened(line))


def _command(*words: bytes) -> bytes:
    """A command as an array of bulk strings."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)
