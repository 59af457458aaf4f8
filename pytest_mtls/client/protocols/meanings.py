"""What the answers of a server's application mean, for each protocol: one table, and the one rule that reads it.

The rule: an answer that serves the client accepts it. One that denies access, or asks for a login that was not given, is the
application's own rejection, `Reason.ACCESS_DENIED`: by itself it says nothing about a certificate. One that names the
certificate is about the certificate. One about the state of the server, or that sends the client elsewhere, is not a verdict.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

from pytest_mtls.client.protocols.protocol import Answer, UnexpectedAnswer
from pytest_mtls.reasons.reason import Reason

__all__ = ["MEANINGS", "Meaning", "Means", "answer_of"]


class Means(str, Enum):
    """What an answer says about the client."""

    ACCEPTED = "accepted"  #: the application served it.
    DENIED = "access denied"  #: the application rejected it, for a reason of its own.
    CERTIFICATE = "certificate rejected"  #: the answer names the certificate.
    UNDECIDED = "undecided"  #: it is about the server, not about the client.


@dataclass(frozen=True)
class Meaning:
    """One row: which answers mean what.

    Attributes:
        layer: the protocol, as `Handshake.layer` has it.
        pattern: a regular expression that the whole answer matches, case ignored; the first row that fits counts.
        means: what such an answer means.
        source: the document that says so, or the server that was seen to.
        reason: why the certificate was rejected, if the answer says so.
    """

    layer: str
    pattern: str
    means: Means
    source: str
    reason: Reason = Reason.UNSPECIFIED


_A, _D, _C, _U = Means.ACCEPTED, Means.DENIED, Means.CERTIFICATE, Means.UNDECIDED

MEANINGS: tuple[Meaning, ...] = (
    Meaning("http", r"HTTP (400.*No required SSL certificate was sent.*|496)", _C, "nginx", Reason.NO_CERTIFICATE),
    Meaning("http", r"HTTP (400.*The SSL certificate error.*|495)", _C, "nginx"),
    Meaning("http", r"HTTP (400|401|403)", _D, "RFC 9110 sections 15.5.1, 15.5.2, 15.5.4"),
    Meaning("http", r"HTTP 3\d\d", _U, "RFC 9110 section 15.4"),
    Meaning("http", r"HTTP 421", _U, "RFC 9110 section 15.5.20"),
    Meaning("http", r"HTTP (408|425|429)", _U, "RFC 9110 section 15.5.9, RFC 8470 section 5.2, RFC 6585 section 4"),
    Meaning("http", r"HTTP 5\d\d", _U, "RFC 9110 section 15.6"),
    Meaning("http", r"HTTP [24]\d\d", _A, "RFC 9110 sections 15.3 and 15.5"),
    Meaning("smtp", r"[45]\d\d [45]\.3\..*", _U, "RFC 3463 section 3.4"),
    Meaning("smtp", r"[45].*\bNo client certificate presented\b.*", _C, "Postfix", Reason.NO_CERTIFICATE),
    Meaning("smtp", r"[45].*\bcertificate\b.*", _C, "Postfix"),
    Meaning("smtp", r"[45]\d\d [45]\.7\..*", _D, "RFC 3463 section 3.8"),
    Meaning("smtp", r"4.*", _U, "RFC 5321 section 4.2.1"),
    Meaning("smtp", r"2.*", _A, "RFC 5321 section 4.2.1"),
    Meaning("smtp", r".*", _D, "RFC 5321 section 4.2.1"),
    Meaning("ftp", r"[45].*\bcertificate\b.*", _C, "vsftpd"),
    Meaning("ftp", r"4.*", _U, "RFC 959 section 4.2"),
    Meaning("ftp", r"2.*", _A, "RFC 959 section 4.2"),
    Meaning("ftp", r".*", _D, "RFC 959 section 4.2"),
    Meaning("mqtt", r"CONNACK 0", _A, "MQTT 3.1.1 table 3.1"),
    Meaning("mqtt", r"CONNACK [45]\b.*", _D, "MQTT 3.1.1 table 3.1"),
    Meaning("mqtt", r"CONNACK .*", _U, "MQTT 3.1.1 table 3.1"),
    Meaning("redis", r"-(LOADING|BUSY|MASTERDOWN|MISCONF|CLUSTERDOWN|ERR max number of clients).*", _U, "Redis"),
    Meaning("redis", r"\+.*", _A, "RESP"),
    Meaning("redis", r"-.*", _D, "Redis, NOAUTH and NOPERM"),
)


def answer_of(layer: str, text: str, *, detail: str = "") -> Answer:
    """What an answer means.

    Args:
        layer: the protocol that it is of.
        text: the answer in short, as a message shows it.
        detail: what else the answer says, which the table may look for.

    Returns:
        Whether it accepts the client, and why not.

    Raises:
        UnexpectedAnswer: it is not a verdict on the client.
    """
    whole = f"{text} {detail}".strip()
    for row in MEANINGS:
        if row.layer == layer and re.fullmatch(row.pattern, whole, re.IGNORECASE | re.DOTALL):
            if row.means is Means.UNDECIDED:
                raise UnexpectedAnswer(f"the server is not ready: {text}", answer=text)
            reason = Reason.ACCESS_DENIED if row.means is Means.DENIED else row.reason
            return Answer(row.means is Means.ACCEPTED, text, reason)
    raise UnexpectedAnswer(f"the server's answer is not one of {layer}: {text}", answer=text)
