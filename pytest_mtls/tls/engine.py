"""The engines: the TLS libraries by which a context of ours may do its handshakes.

A context of either is set up by the same lines of `context`, and makes `ssl.SSLSocket` objects, so that nothing above this
layer knows by which library a connection is secured.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol, get_args

from pytest_mtls.errors import InvalidArgument, MissingExtra
from pytest_mtls.reasons.side import Side
from pytest_mtls.tls.standard import new_standard_context

if TYPE_CHECKING:
    from pytest_mtls.tls.pyopenssl import PyOpenSSLContext

__all__ = ["Engine", "OpenSSL", "TLSContext", "is_second_engine", "new_engine_context", "openssl_of", "second_engine"]

#: "ssl", the standard library with the OpenSSL that Python was built with; or "pyopenssl", with the one in `cryptography`.
Engine = Literal["ssl", "pyopenssl"]


class TLSContext(Protocol):
    """What this package uses of a TLS context, and means as `ssl.SSLContext` does."""

    # ruff: noqa: D102
    check_hostname: bool
    keylog_filename: str
    sslsocket_class: type[ssl.SSLSocket]

    @property
    def verify_mode(self) -> ssl.VerifyMode: ...
    @verify_mode.setter
    def verify_mode(self, mode: ssl.VerifyMode, /) -> None: ...
    @property
    def verify_flags(self) -> ssl.VerifyFlags: ...
    @verify_flags.setter
    def verify_flags(self, flags: ssl.VerifyFlags, /) -> None: ...
    @property
    def minimum_version(self) -> ssl.TLSVersion: ...
    @minimum_version.setter
    def minimum_version(self, version: ssl.TLSVersion, /) -> None: ...
    @property
    def maximum_version(self) -> ssl.TLSVersion: ...
    @maximum_version.setter
    def maximum_version(self, version: ssl.TLSVersion, /) -> None: ...

    def set_ciphers(self, cipherlist: str, /) -> None: ...
    def set_alpn_protocols(self, alpn_protocols: list[str]) -> None: ...
    def load_cert_chain(self, certfile: str) -> None: ...
    def load_default_certs(self) -> None: ...
    def load_verify_locations(
        self, cafile: str | None = None, capath: str | None = None, cadata: str | None = None
    ) -> None: ...
    def get_ciphers(self) -> list[Any]: ...
    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket: ...


def new_engine_context(engine: str, side: Side) -> TLSContext:
    """A context of an engine, with nothing set.

    Args:
        engine: "ssl" or "pyopenssl".
        side: which side its sockets play.

    Raises:
        InvalidArgument: another engine.
        MissingExtra: pyOpenSSL is not installed.
    """
    if engine not in get_args(Engine):
        raise InvalidArgument("engine", engine, "'ssl' or 'pyopenssl'")
    if engine == "ssl":
        return new_standard_context(ssl.PROTOCOL_TLS_SERVER if side == "server" else ssl.PROTOCOL_TLS_CLIENT)
    try:
        from pytest_mtls.tls.pyopenssl import PyOpenSSLContext
    except ModuleNotFoundError as error:
        raise MissingExtra("pyopenssl", "pyOpenSSL, which does the handshakes of engine='pyopenssl',") from error
    return PyOpenSSLContext(side)


def is_second_engine(context: TLSContext) -> bool:
    """Whether a context is one of pyOpenSSL's. Another library may have put a class of its own at ``ssl.SSLContext``."""
    return hasattr(context, "set_message_callback")


class OpenSSL(NamedTuple):
    """The OpenSSL that a context has.

    Attributes:
        version: its major and minor number.
        text: what it says of itself.
    """

    version: tuple[int, int]
    text: str


def openssl_of(context: TLSContext) -> OpenSSL:
    """The OpenSSL of a context of either engine."""
    if is_second_engine(context):
        return OpenSSL(*second_engine(context, "engine", "pyopenssl").openssl)
    return OpenSSL(ssl.OPENSSL_VERSION_INFO[:2], ssl.OPENSSL_VERSION)


def second_engine(context: TLSContext, argument: str, value: object) -> PyOpenSSLContext:
    """The context as one of the second engine, for a setting that the standard library does not have.

    Args:
        context: a context of either engine.
        argument: what the caller set.
        value: to what.

    Raises:
        InvalidArgument: it is one of the first engine.
    """
    if not is_second_engine(context):
        allowed = "None with engine='ssl', since Python's ssl has no such setting; give engine='pyopenssl' as well"
        raise InvalidArgument(argument, value, allowed)
    made: PyOpenSSLContext = context  # type: ignore[assignment]  # there are two
    return made
