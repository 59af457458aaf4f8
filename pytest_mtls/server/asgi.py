"""ASGI apps inside our server: an ASGI app as the WSGI app that it takes, with the TLS extension in its scope.

`a2wsgi` translates, and `anyio` runs the event loop in a thread of its own; both come with the extra ``asgi`` and are
imported when an app is served.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from cryptography import x509

from pytest_mtls.errors import InvalidArgument, MissingExtra
from pytest_mtls.proxies.environ import tls_extension
from pytest_mtls.reasons.versions import VERSION_NUMBERS
from pytest_mtls.tls.handshake import Handshake
from pytest_mtls.tls.transcript import negotiated

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["ASGIApplication", "ServedASGI", "asgi_app"]

_Scope = MutableMapping[str, Any]
_Message = MutableMapping[str, Any]
#: An ASGI 3 application.
ASGIApplication = Callable[
    [Any, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]
]

_VERSIONS = {f"TLSv{tls}": number for tls, number in VERSION_NUMBERS.items()}


def asgi_app(app: ASGIApplication) -> ServedASGI:
    """An ASGI app for our server: ``MutualTLSServer(asgi_app(app), ...)``, ``mtls_server_factory(asgi_app(app))``.

    Its scope has the client's identity as the TLS extension (asgiref, specs/tls.rst): ``scope["extensions"]["tls"]``, and
    the `Handshake` itself as ``scope["pytest_mtls.handshake"]``. The app is started up with the server and shut down with
    it (lifespan). HTTP only, no WebSockets; an answer is sent when it is complete. Needs the extra ``asgi``.

    Args:
        app: an ASGI 3 application, such as one of FastAPI, Starlette, or Django's ``get_asgi_application()``.

    Raises:
        MissingExtra: the extra is not installed.
    """
    try:
        import a2wsgi
        import anyio
    except ImportError as error:
        raise MissingExtra("asgi", str(error.name)) from None
    del a2wsgi, anyio
    return ServedASGI(app)


class ServedASGI:
    """What `asgi_app` returns: a WSGI app (PEP 3333) that the server starts and stops."""

    def __init__(self, app: ASGIApplication) -> None:
        self._app = app
        self._running = ExitStack()
        self._respond: Callable[..., Iterable[bytes]] | None = None

    def __enter__(self) -> Self:
        """Start the event loop and the app; called by the server."""
        from a2wsgi import ASGIMiddleware
        from anyio.from_thread import start_blocking_portal

        from pytest_mtls.server.lifespan import lifespan

        if self._respond is not None:
            raise InvalidArgument("app", self._app, "an ASGI app that no other server runs; wrap it once for each")
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            state: dict[str, Any] = {}
            stack.enter_context(portal.wrap_async_context_manager(lifespan(self._app, state)))
            self._respond = ASGIMiddleware(_with_tls(self._app, state), loop=portal.call(_running_loop))
            self._running = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Shut the app down and end the event loop's thread; called by the server."""
        self._respond = None
        self._running.close()

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        if self._respond is None:
            raise RuntimeError("an ASGI app answers only while its server runs")
        return self._respond(environ, start_response)


async def _running_loop() -> Any:
    import asyncio

    return asyncio.get_running_loop()


def _with_tls(app: ASGIApplication, state: dict[str, Any]) -> Any:
    """The app with the TLS extension in the scope of each request, and what it put into its state at start-up."""

    async def with_tls(scope: _Scope, receive: Any, send: Any) -> None:
        handshake: Handshake = scope["wsgi_environ"]["pytest_mtls.handshake"]
        extensions = {**scope.get("extensions", {}), "tls": _extension(handshake)}
        more = {"extensions": extensions, "state": dict(state), "pytest_mtls.handshake": handshake}
        await app({**scope, **more}, receive, send)

    return with_tls


def _extension(handshake: Handshake) -> dict[str, Any]:
    own = handshake.sent_chain_der
    return tls_extension(
        handshake.peer_chain,
        server_cert=x509.load_der_x509_certificate(own[0]) if own else None,
        tls_version=_VERSIONS.get(handshake.tls_version or ""),
        cipher_suite=negotiated(handshake.transcript)[1],
    )
