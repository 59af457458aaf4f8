"""aiohttp as a client: ``aiohttp_client.py CERT KEY CA``.

A port and a host come on standard input, a line each; every request goes to that port of 127.0.0.1 by a connection of its own,
and prints "accepted" or "refused" and why.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import sys

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult


class Here(AbstractResolver):
    """Every host is this one."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host="127.0.0.1", port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is open."""


async def ask(port: str, host: str, cert: str, key: str, ca: str) -> str:
    context = ssl.create_default_context(cafile=ca)
    context.load_cert_chain(cert, key)
    connector = aiohttp.TCPConnector(ssl=context, resolver=Here(), force_close=True)
    try:
        async with aiohttp.ClientSession(connector=connector) as session, session.get(f"https://{host}:{port}/"):
            return "accepted"
    except aiohttp.ClientError as error:
        return f"refused {error!r}".replace("\n", " ")


async def main() -> None:
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        port, host = line.split()
        sys.stdout.write(await ask(port, host, *sys.argv[1:]) + "\n")
        sys.stdout.flush()


asyncio.run(main())
