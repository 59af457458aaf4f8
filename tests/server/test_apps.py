"""Apps of the usual frameworks see who their client is: inside our server, and from `wsgi_environ` and `asgi_scope`."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, MutableMapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import requests

from pytest_mtls import (
    CertificateAuthority,
    Identity,
    MutualTLSServer,
    Reason,
    asgi_app,
    asgi_scope,
    wsgi_environ,
)
from pytest_mtls.errors import AppNotStarted, InvalidArgument, MissingExtra, PortUnavailable

Factory = Callable[..., MutualTLSServer]


def needed(name: str, distribution: str | None = None) -> Any:
    """A library of the dependency group ``test``."""
    return pytest.importorskip(name, reason=f"needs {name}: python -m pip install {distribution or name}")


# --- WSGI ------------------------------------------------------------------------------------------------------------


def flask_app() -> Any:
    flask = needed("flask")
    app = flask.Flask(__name__)

    def who() -> dict[str, str]:
        environ = flask.request.environ
        return {name: environ[name] for name in ("SSL_CLIENT_VERIFY", "SSL_CLIENT_S_DN", "SSL_CLIENT_CERT")}

    app.add_url_rule("/", view_func=who)
    return app


def told_of(identity: Identity) -> dict[str, str]:
    pem = identity.cert_pem.decode().partition("-----END CERTIFICATE-----\n")
    return {"SSL_CLIENT_VERIFY": "SUCCESS", "SSL_CLIENT_S_DN": identity.subject, "SSL_CLIENT_CERT": pem[0] + pem[1]}


def test_flask(mtls_server_factory: Factory, mtls_client: requests.Session, mtls_client_cert: Identity) -> None:
    """A Flask app reads the client from its environ, in our server and from its own test client alike."""
    app = flask_app()
    assert told_of(mtls_client_cert) == mtls_client.get(mtls_server_factory(app).url).json()
    with app.test_client() as client:
        answer = client.get("/", environ_overrides=wsgi_environ(mtls_client_cert))
    assert told_of(mtls_client_cert) == answer.get_json()


def django() -> Any:
    """Django with settings for one view."""
    conf = needed("django.conf", "django")
    if not conf.settings.configured:
        conf.settings.configure(
            ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="test", DATABASES={}, LOGGING_CONFIG=None
        )
        needed("django", "django").setup()
    return needed("django", "django")


def django_view(request: Any) -> Any:
    from django.http import JsonResponse  # type: ignore[import-untyped]

    if hasattr(request, "scope"):
        tls = request.scope["extensions"]["tls"]
        return JsonResponse({"secure": request.is_secure(), "subject": tls["client_cert_name"]})
    return JsonResponse({"secure": request.is_secure(), "subject": request.META["SSL_CLIENT_S_DN"]})


class _Patterns(list[Any]):
    """Django asks for them when it is first used, so that it need not be there before."""

    def __iter__(self) -> Any:
        from django.urls import path  # type: ignore[import-untyped]

        return iter([path("", django_view)])

    def __reversed__(self) -> Any:
        return iter(self)


urlpatterns = _Patterns()


def test_django(mtls_server_factory: Factory, mtls_client: requests.Session, mtls_client_cert: Identity) -> None:
    """A Django app, as WSGI and as ASGI, knows its client and that the connection is secure."""
    django()
    from django.core.asgi import get_asgi_application  # type: ignore[import-untyped]
    from django.core.wsgi import get_wsgi_application  # type: ignore[import-untyped]
    from django.test import Client  # type: ignore[import-untyped]

    expected = {"secure": True, "subject": "CN=client"}
    for app in (get_wsgi_application(), asgi_app(get_asgi_application())):
        assert expected == mtls_client.get(mtls_server_factory(app).url).json()
    assert expected == Client().get("/", **wsgi_environ(mtls_client_cert)).json()


def test_wsgi_environ(mtls_client_cert: Identity) -> None:
    """It says how verification ended, and of no client nothing but that."""
    assert {"wsgi.url_scheme": "https", "HTTPS": "on", "SSL_CLIENT_VERIFY": "NONE"} == wsgi_environ(None)
    assert "FAILED:certificate has expired" == wsgi_environ(mtls_client_cert, Reason.EXPIRED)["SSL_CLIENT_VERIFY"]
    assert "client" == wsgi_environ(mtls_client_cert.certificate)["SSL_CLIENT_S_DN_CN"]


# --- ASGI ------------------------------------------------------------------------------------------------------------


def fastapi_app(events: list[str]) -> Any:
    fastapi = needed("fastapi")

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[dict[str, str]]:
        events.append("up")
        yield {"started": "yes"}
        events.append("down")

    app = fastapi.FastAPI(lifespan=lifespan)

    def who(request: Any) -> Any:
        tls = dict(request.scope["extensions"]["tls"])
        return {**tls, "started": request.state.started, "scheme": request.url.scheme}

    async def echo(request: Any) -> Any:
        return {"length": len(await request.body())}

    def fail() -> Any:
        raise ValueError("the app's own")

    who.__annotations__["request"] = echo.__annotations__["request"] = fastapi.Request
    app.get("/")(who)
    app.post("/echo")(echo)
    app.get("/fail")(fail)
    return app


def pem_blocks(identity: Identity) -> list[str]:
    end = "-----END CERTIFICATE-----\n"
    return [block + end for block in identity.cert_pem.decode().split(end)[:-1]]


@pytest.mark.parametrize(("tls", "number"), [("1.2", 0x0303), ("1.3", 0x0304)])
def test_fastapi(
    mtls_server_factory: Factory,
    mtls_ca: CertificateAuthority,
    mtls_server_cert: Identity,
    tls: str,
    number: int,
) -> None:
    """A FastAPI app finds the TLS extension in its scope, and was started before the first request."""
    events: list[str] = []
    server = mtls_server_factory(asgi_app(fastapi_app(events)), tls=tls)
    alice = mtls_ca.intermediate().issue_client("alice")
    with requests.Session() as session:
        session.trust_env = False
        session.cert, session.verify = alice.combined_path, mtls_ca.cert_path
        body = session.get(server.url).json()
        assert {"length": 100_000} == session.post(f"{server.url}/echo", data=b"x" * 100_000).json()
    assert {
        "server_cert": pem_blocks(mtls_server_cert)[0],
        "client_cert_chain": pem_blocks(alice),
        "client_cert_name": "CN=alice",
        "client_cert_error": None,
        "tls_version": number,
        "cipher_suite": body["cipher_suite"],
        "started": "yes",
        "scheme": "https",
    } == body
    assert 0x1301 <= body["cipher_suite"] <= 0xFFFF
    assert ["up"] == events
    server.stop()
    assert ["up", "down"] == events


def test_no_client_certificate(mtls_server_factory: Factory, mtls_ca: CertificateAuthority) -> None:
    """Where a certificate is optional and none came, the extension says so."""
    server = mtls_server_factory(asgi_app(fastapi_app([])), client_certs="optional")
    body = requests.get(server.url, verify=mtls_ca.cert_path, timeout=10).json()
    assert ([], None, None) == (body["client_cert_chain"], body["client_cert_name"], body["client_cert_error"])


def test_an_app_that_raises(
    mtls_server_factory: Factory, mtls_client: requests.Session, caplog: pytest.LogCaptureFixture
) -> None:
    """An ASGI app that raises answers with status 500, and serves on."""
    server = mtls_server_factory(asgi_app(fastapi_app([])))
    assert 500 == mtls_client.get(f"{server.url}/fail").status_code
    assert 200 == mtls_client.get(server.url).status_code


async def bare(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
    """An ASGI app that knows HTTP alone, and nothing of lifespan."""
    assert "http" == scope["type"]
    body = scope["extensions"]["tls"]["client_cert_name"].encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


@pytest.mark.parametrize("knows_lifespan", [False, "ends at once", "fails at the end"])
def test_lifespan_is_optional(
    mtls_server_factory: Factory, mtls_client: requests.Session, knows_lifespan: bool | str
) -> None:
    """An app that raises on a lifespan, returns from it, or comes to harm at shut-down, is served all the same."""

    async def app(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan" and knows_lifespan == "ends at once":
            return
        if scope["type"] == "lifespan" and knows_lifespan:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            raise ValueError("at shut-down")
        await bare(scope, receive, send)

    server = mtls_server_factory(asgi_app(app))
    assert "CN=client" == mtls_client.get(server.url).text
    server.stop()


def still_alive(before: set[threading.Thread]) -> set[threading.Thread]:
    """The threads that have come since and do not end; one that is about to is let end."""
    new = set(threading.enumerate()) - before
    for thread in new:
        thread.join(5)
    return {thread for thread in new if thread.is_alive()}


def test_nothing_is_left(mtls_ca: CertificateAuthority, mtls_server_cert: Identity) -> None:
    """The event loop's thread ends with the server, also of one that could not start."""
    before = set(threading.enumerate())
    app = asgi_app(bare)
    with MutualTLSServer(app, cert=mtls_server_cert, trust=mtls_ca) as server:
        client = mtls_ca.issue_client("alice")
        answer = requests.get(server.url, cert=client.combined_path, verify=mtls_ca.cert_path, timeout=10)
        assert "CN=alice" == answer.text
        with pytest.raises(InvalidArgument, match="no other server"):
            MutualTLSServer(app, cert=mtls_server_cert, trust=mtls_ca).start()
        occupied = MutualTLSServer(asgi_app(bare), cert=mtls_server_cert, trust=mtls_ca, port=server.port)
        with pytest.raises(PortUnavailable):
            occupied.start()
    assert set() == still_alive(before)


def test_an_app_that_cannot_start(mtls_ca: CertificateAuthority, mtls_server_cert: Identity) -> None:
    """What an app raises at start-up comes from ``start()``, and the server is not left half open."""
    starlette = needed("starlette.applications", "starlette")

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    before = set(threading.enumerate())
    server = MutualTLSServer(asgi_app(starlette.Starlette(lifespan=lifespan)), cert=mtls_server_cert, trust=mtls_ca)
    with pytest.raises(AppNotStarted, match="RuntimeError: no database") as failed:
        server.start()
    assert isinstance(failed.value.__cause__, RuntimeError)
    assert (False, set()) == (server.is_running, still_alive(before))


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a library of the extra is absent, the error says how to get it."""
    monkeypatch.setitem(sys.modules, "a2wsgi", None)
    with pytest.raises(MissingExtra, match=r"pip install 'pytest-mtls\[asgi\]'"):
        asgi_app(bare)


def test_asgi_scope(mtls_client_cert: Identity, mtls_server_cert: Identity) -> None:
    """A scope as a server would make it, for an app that is called directly."""
    scope = asgi_scope(mtls_client_cert, server_cert=mtls_server_cert)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(bare({"type": "http", **scope}, None, send))
    assert b"CN=client" == sent[1]["body"]
    assert ("https", pem_blocks(mtls_server_cert)[0], 0x0304, 0x1301) == (
        scope["scheme"],
        *(scope["extensions"]["tls"][name] for name in ("server_cert", "tls_version", "cipher_suite")),
    )
    failed = asgi_scope(mtls_client_cert, Reason.REVOKED)["extensions"]["tls"]
    assert ("certificate revoked", None) == (failed["client_cert_error"], failed["server_cert"])
