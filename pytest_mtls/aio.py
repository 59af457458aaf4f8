"""`probe`, `assert_accepted` and `assert_rejected` for ``await``, on asyncio and trio.

The handshake runs in a worker thread, so the event loop goes on: a server that the same loop serves can answer. The
arguments, results and errors are those of the functions of the same name in `pytest_mtls`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from pytest_mtls.cases.presentation import PeerArgument
from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.trust import TrustArgument
from pytest_mtls.client import probe as _client
from pytest_mtls.client.endpoint import EndpointArgument
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.reasons.side import Side
from pytest_mtls.tls.engine import Engine
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.verdict import assertions as _assertions

__all__ = ["assert_accepted", "assert_rejected", "probe"]

_T = TypeVar("_T")


async def probe(
    endpoint: EndpointArgument,
    client: PeerArgument | None = None,
    trust: TrustArgument | None = None,
    tls: str | None = None,
    server_name: str | None = None,
    timeout: float = 5.0,
    *,
    ca: CertificateAuthority | None = None,
    engine: Engine = "ssl",
) -> Handshake:
    """Do one real handshake, as `pytest_mtls.probe` does.

    Args: as for `pytest_mtls.probe`.

    Returns:
        The handshake.

    Raises:
        MtlsError: a bad argument.
        CaseNotPresentable: the case cannot go over the TLS version that ``tls`` names, or needs an extra.
    """
    how: dict[str, Any] = {"ca": ca, "engine": engine}
    return await _in_a_thread(_client.probe, endpoint, client, trust, tls, server_name, timeout, **how)


async def assert_accepted(
    endpoint: EndpointArgument,
    client: PeerArgument | None = None,
    *,
    trust: TrustArgument | None = None,
    tls: str | None = None,
    server_name: str | None = None,
    timeout: float = 5.0,
    ca: CertificateAuthority | None = None,
    engine: Engine = "ssl",
) -> Handshake:
    """Do a handshake and assert that both sides accept each other, as `pytest_mtls.assert_accepted` does.

    Args: as for `pytest_mtls.assert_accepted`.

    Returns:
        The handshake.

    Raises:
        HandshakeAssertionError: it was rejected, or is undecided.
        MtlsError: a bad argument.
    """
    __tracebackhide__ = True
    how: dict[str, Any] = {"trust": trust, "tls": tls, "server_name": server_name, "timeout": timeout}
    how |= {"ca": ca, "engine": engine}
    return await _in_a_thread(_assertions.assert_accepted, endpoint, client, **how)


async def assert_rejected(
    endpoint: EndpointArgument,
    client: PeerArgument | None = None,
    reason: Reason | str | None = None,
    *,
    by: Side | None = None,
    trust: TrustArgument | None = None,
    tls: str | None = None,
    server_name: str | None = None,
    timeout: float = 5.0,
    ca: CertificateAuthority | None = None,
    like: Identity | None = None,
    attempts: int | None = None,
    engine: Engine = "ssl",
) -> Handshake:
    """Do a handshake and assert that it is rejected, for the right reason, as `pytest_mtls.assert_rejected` does.

    Args: as for `pytest_mtls.assert_rejected`.

    Returns:
        The first handshake.

    Raises:
        HandshakeAssertionError: it was accepted, is undecided, or was rejected by another side or for another reason.
        MtlsError: a bad argument.
        CaseNotPresentable: what the case presents did not go over the wire.
    """
    __tracebackhide__ = True
    how: dict[str, Any] = {"by": by, "trust": trust, "tls": tls, "server_name": server_name, "timeout": timeout}
    how |= {"ca": ca, "like": like, "attempts": attempts, "engine": engine}
    return await _in_a_thread(_assertions.assert_rejected, endpoint, client, reason, **how)


async def _in_a_thread(function: Callable[..., _T], *arguments: Any, **named: Any) -> _T:
    """Call a function in a worker thread of the event loop that runs here."""
    __tracebackhide__ = True
    call = partial(function, *arguments, **named)
    trio = sys.modules.get("trio")
    if trio is not None and trio.lowlevel.in_trio_run():
        result: _T = await trio.to_thread.run_sync(call)
        return result
    return await asyncio.to_thread(call)
