"""The start-up and shut-down of an ASGI app (asgiref, specs/lifespan.rst), as an asynchronous context."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from pytest_mtls.errors import AppNotStarted

__all__ = ["lifespan"]


@asynccontextmanager
async def lifespan(app: Callable[..., Awaitable[None]], state: dict[str, Any]) -> AsyncIterator[None]:
    """Start an app up, and shut it down at the end; one that knows no lifespan is not asked.

    Args:
        app: the ASGI app.
        state: what it fills for the scopes of its requests.

    Raises:
        AppNotStarted: it says that its start-up failed.
    """
    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
    task = asyncio.ensure_future(app(scope, events.get, answers.put))
    try:
        events.put_nowait({"type": "lifespan.startup"})
        answer = await _answer(task, answers)
        if answer is not None and answer["type"] == "lifespan.startup.failed":
            await asyncio.wait([task])
            raise AppNotStarted(_last_line(answer)) from task.exception()
        yield
        if answer is not None:
            events.put_nowait({"type": "lifespan.shutdown"})
            await _answer(task, answers)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _answer(task: asyncio.Future[None], answers: asyncio.Queue[dict[str, Any]]) -> dict[str, Any] | None:
    """What the app says next; None if it ends, in whichever way, without a word: then it knows no lifespan."""
    answer = asyncio.ensure_future(answers.get())
    waiting: set[asyncio.Future[Any]] = {task, answer}
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    if answer.done():
        return answer.result()
    answer.cancel()
    return None


def _last_line(answer: dict[str, Any]) -> str:
    lines = str(answer.get("message", "")).strip().splitlines()
    return lines[-1] if lines else "it does not say why"
