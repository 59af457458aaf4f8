import asyncio

import pytest

from pytest_mtls import Endpoint, assert_accepted


@pytest.mark.anyio
async def test_loop_blocked(server_context, mtls_ca, mtls_client_cert):
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=server_context)
    async with server:
        port = server.sockets[0].getsockname()[1]
        assert_accepted(Endpoint("127.0.0.1", port), mtls_client_cert, trust=mtls_ca, timeout=0.3)
