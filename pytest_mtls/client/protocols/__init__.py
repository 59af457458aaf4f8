"""The protocols that a server under test may speak: a table from a name to what is said around its TLS handshake."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from pytest_mtls.client.protocols import database, directory, http, mail, messaging
from pytest_mtls.client.protocols.protocol import Answer, OwnProbe, Preamble, Protocol, VerdictReader
from pytest_mtls.errors import InvalidArgument

__all__ = ["ALIASES", "PROTOCOLS", "Answer", "Protocol", "register_protocol"]

#: By name. Those in two forms ask for TLS on the plain port, or begin with it on a port of its own.
PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("tls"),
        Protocol("https", 443, None, http.get, ("http/1.1",), layer="http"),
        Protocol("h2", 443, None, http.exchange_settings, ("h2",), layer="http"),
        Protocol("postgres", 5432, database.request_ssl_postgres, database.start_postgres),
        Protocol("mysql", 3306, database.request_ssl_mysql, database.log_in_mysql),
        Protocol("smtp", 25, mail.starttls_smtp, mail.ask_smtp),
        Protocol("smtps", 465, None, mail.greeted_smtp, layer="smtp"),
        Protocol("imap", 143, mail.starttls_imap, mail.ask_imap),
        Protocol("imaps", 993, None, mail.greeted_imap, layer="imap"),
        Protocol("pop3", 110, mail.stls, mail.ask_pop3),
        Protocol("pop3s", 995, None, mail.greeted_pop3, layer="pop3"),
        Protocol("ldap", 389, directory.start_tls, directory.search_root),
        Protocol("ldaps", 636, None, directory.search_root, layer="ldap"),
        Protocol("ftp", 21, mail.auth_tls, mail.ask_ftp),
        Protocol("ftps", 990, None, mail.greeted_ftp, layer="ftp"),
        Protocol("xmpp", 5222, messaging.starttls_xmpp, messaging.open_stream),
        Protocol("redis", 6379, None, database.ping),
        Protocol("mqtt", 8883, None, messaging.connect),
    )
}

#: Other names of protocols, as URLs have them.
ALIASES: dict[str, str] = {
    "postgresql": "postgres",
    "mariadb": "mysql",
    "rediss": "redis",
    "mqtts": "mqtt",
    "grpc": "h2",
}


def register_protocol(
    name: str,
    *,
    port: int | None = None,
    preamble: Preamble | None = None,
    read_verdict: VerdictReader | None = None,
    alpn: Iterable[str] = (),
    probe: OwnProbe | None = None,
    prelude: Preamble | None = None,
    settle: VerdictReader | None = None,
) -> None:
    """Make a protocol known: from then on an `Endpoint` or a URL may name it.

    Args:
        name: as in ``Endpoint(protocol=...)`` and before ``://``. A protocol of the same name is replaced.
        port: the TCP port that a URL without one means.
        preamble: called with a channel and the `Endpoint` before the handshake, for what has to be said first. The
            channel has ``send(data)``, ``exactly(count)``, ``until(*ends)`` and ``line()``.
        read_verdict: called in the same way after this end's handshake: says and hears what is needed until the
            verdict is known, and returns True for accepted or False for rejected. Without it, TLS alone has to tell.
        alpn: the application protocols that are offered.
        probe: instead of all that, a callable that connects by itself, with a client library say, and returns True for
            accepted, False for rejected or None for undecided. It is called with the keywords ``endpoint``, ``client``
            (an `Identity` or None), ``trust`` (a path of CA certificates, or None for the system's), ``tls`` ("1.2",
            "1.3" or None) and ``timeout`` (seconds). An `OSError` that it raises makes the verdict undecided.
        prelude, settle: what ``preamble`` and ``read_verdict`` were called in 0.1. Deprecated.

    Raises:
        InvalidArgument: the name cannot be that of a URL, the port is none, or both ``probe`` and a part of the conversation are given.
    """
    for old, new, value in (("prelude", "preamble", prelude), ("settle", "read_verdict", settle)):
        if value is not None:
            warnings.warn(f"register_protocol({old}=) is now called {new}=", DeprecationWarning, stacklevel=2)
    preamble, read_verdict = preamble or prelude, read_verdict or settle
    if not isinstance(name, str) or not name.isascii() or not name.replace("-", "").isalnum() or name != name.lower():
        raise InvalidArgument("name", name, "lower-case letters, digits and hyphens, as before the :// of a URL")
    if probe is not None and (preamble or read_verdict or alpn):
        raise InvalidArgument("probe", probe, "alone: it does all that preamble, read_verdict and alpn are for")
    if port is not None and not (isinstance(port, int) and 0 < port < 65536):
        raise InvalidArgument("port", port, "a number from 1 to 65535, or None")
    ALIASES.pop(name, None)
    PROTOCOLS[name] = Protocol(name, port, preamble, read_verdict, tuple(alpn), probe)
