"""`pytest_mtls.aio`: handshakes with a server that the same event loop serves, on asyncio and trio."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from support.requirements import require_library

from pytest_mtls import (
    CertificateAuthority,
    Endpoint,
    HandshakeAssertionError,
    Identity,
    MutualTLSServer,
    Reason,
    aio,
    assert_accepted,
    client_cases,
)


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"hello")
    writer.close()


@pytest.fixture
def expired(mtls_ca: CertificateAuthority) -> Identity:
    """A client whose certificate has expired."""
    return mtls_ca.issue_client("alice", not_before=-10, not_after=-1)


def test_asyncio_server_of_the_same_loop(
    mtls_ca: CertificateAuthority, mtls_server_cert: Identity, mtls_client_cert: Identity, expired: Identity
) -> None:
    """Each function waits without blocking the loop that serves the endpoint."""

    async def main() -> None:
        context = mtls_server_cert.ssl_context(trust=mtls_ca)
        async with await asyncio.start_server(_greet, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            endpoint = Endpoint("localhost", port, trust=mtls_ca, ca=mtls_ca)
            assert (await aio.probe(endpoint, mtls_client_cert)).accepted
            assert (await aio.assert_accepted(endpoint, mtls_client_cert)).tls_version == "TLSv1.3"
            rejected = await aio.assert_rejected(endpoint, expired, Reason.EXPIRED)
            assert rejected.rejected_by == "server"  # asyncio does not send the alert
            with pytest.raises(HandshakeAssertionError, match="should have rejected it"):
                await aio.assert_rejected(endpoint, mtls_client_cert, Reason.EXPIRED)

    asyncio.run(main())


def test_trio_server_of_the_same_loop(
    mtls_ca: CertificateAuthority, mtls_server_cert: Identity, mtls_client_cert: Identity, expired: Identity
) -> None:
    """The same on trio."""
    require_library("trio", pip="trio")
    import trio

    async def greet(stream: trio.SSLStream[trio.SocketStream]) -> None:
        try:
            async with stream:
                await stream.send_all(b"hello")
        except trio.BrokenResourceError:
            pass  # a client that was rejected

    async def main() -> None:
        context = mtls_server_cert.ssl_context(trust=mtls_ca)
        async with trio.open_nursery() as nursery:
            listeners = await nursery.start(
                partial(trio.serve_ssl_over_tcp, greet, 0, context, host="127.0.0.1", https_compatible=True)
            )
            port = listeners[0].transport_listener.socket.getsockname()[1]
            endpoint = Endpoint("localhost", port, trust=mtls_ca, ca=mtls_ca)
            assert (await aio.probe(endpoint, mtls_client_cert)).accepted
            await aio.assert_rejected(endpoint, expired, Reason.EXPIRED)
            nursery.cancel_scope.cancel()

    trio.run(main)


def test_case_of_the_catalogue(mtls_server: MutualTLSServer) -> None:
    """A case knows its reason, as for the sync functions."""
    (parameter,) = client_cases("untrusted-ca")
    seen = asyncio.run(aio.assert_rejected(mtls_server, parameter.values[0]))  # type: ignore[arg-type]
    assert seen.reason is Reason.UNKNOWN_CA


def test_sync_call_that_blocks_the_loop_of_its_server_says_so(
    mtls_ca: CertificateAuthority, mtls_server_cert: Identity, mtls_client_cert: Identity
) -> None:
    """The failure names `pytest_mtls.aio`."""

    async def main() -> None:
        context = mtls_server_cert.ssl_context(trust=mtls_ca)
        async with await asyncio.start_server(_greet, "127.0.0.1", 0, ssl=context) as server:
            endpoint = Endpoint("localhost", server.sockets[0].getsockname()[1], trust=mtls_ca)
            assert_accepted(endpoint, mtls_client_cert, timeout=0.2)

    with pytest.raises(HandshakeAssertionError, match=r"Await the same function of pytest_mtls\.aio"):
        asyncio.run(main())


def test_sync_call_in_a_loop_that_does_not_serve_its_server(
    mtls_server: MutualTLSServer, mtls_client_cert: Identity
) -> None:
    """A server with threads of its own answers, whoever blocks."""

    async def main() -> None:
        assert assert_accepted(mtls_server, mtls_client_cert).accepted

    asyncio.run(main())
