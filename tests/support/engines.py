"""Where the two engines differ over the catalogue: one record, which the tests hold and docs/reference/engines.md shows."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from support.openssl_verdicts import Refusal, expected_refusal
from support.requirements import require_library

from pytest_mtls.cases import CATALOGUE, Case

__all__ = ["DIFFERENCES", "as_markdown", "expected_of", "openssl_of_the_second_engine"]


@dataclass(frozen=True)
class Difference:
    """A case that one OpenSSL rejects and a newer one accepts.

    Attributes:
        id: the case's, of whichever side.
        since: the first OpenSSL that accepts it.
        why: what changed.
    """

    id: str
    since: tuple[int, int]
    why: str


_NOT_CRITICAL = (
    "strict verification no longer wants it marked as critical "
    "([openssl#30249](https://github.com/openssl/openssl/pull/30249))"
)
DIFFERENCES = (
    Difference(
        "authority-key-identifier-without-key",
        (4, 0),
        "authorityKeyIdentifier: strict verification takes the issuer's name and serial number for the key",
    ),
    Difference("basic-constraints-not-critical", (4, 0), f"basicConstraints: {_NOT_CRITICAL}"),
    Difference("empty-subject", (4, 0), f"subjectAltName beside an empty subject: {_NOT_CRITICAL}"),
)


def openssl_of_the_second_engine() -> tuple[int, int]:
    """The major and minor version of the OpenSSL that pyOpenSSL has.

    Raises:
        pytest.skip.Exception: there is no pyOpenSSL.
    """
    require_library("OpenSSL", pip="pyopenssl")
    from OpenSSL import SSL

    found = re.match(r"OpenSSL (\d+)\.(\d+)", SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode())
    assert found is not None
    return int(found[1]), int(found[2])


def expected_of(case: Case, tls: str, openssl: tuple[int, int]) -> Refusal | None:
    """How an OpenSSL of this version rejects the case over this TLS version; None if it accepts it."""
    accepted = any(one.id == case.id and openssl >= one.since for one in DIFFERENCES)
    return None if accepted else expected_refusal(case, tls)


def as_markdown() -> str:
    """The table."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield "| case | of | OpenSSL before | from then on | why |"
    yield "|---|---|---|---|---|"
    for one in DIFFERENCES:
        sides = [side for side in ("client", "server") if CATALOGUE[side].select([one.id])]
        for side in sides:
            (case,) = CATALOGUE[side].select([one.id])
            refusal = expected_refusal(case, "1.3")
            assert refusal is not None
            since = ".".join(map(str, one.since))
            yield f"| `{one.id}` | {side} | {since}: rejected, code {refusal.verify_code} | accepted | {one.why} |"
