"""The second engine: what `ssl.SSLContext` and the object in C beneath `ssl.SSLSocket` do, by pyOpenSSL.

`ssl.SSLSocket` leaves all of TLS to an object that its context makes (``_wrap_socket``, the same from CPython 3.7 on), and
keeps to itself how sockets behave. So its whole face stays, with its errors and time-outs, and only that object is another.

pyOpenSSL is imported with this module, and `pytest_mtls.tls.engine` imports it only for those who want this engine. A few
functions of OpenSSL it has not wrapped: they are called through the binding that it shares with cryptography, each where
it is there, and what they would tell is left out where it is not.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import ssl
import tempfile
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast
from weakref import WeakValueDictionary, ref

from cryptography import x509
from OpenSSL import SSL, crypto

from pytest_mtls.proxies.verification import VERIFY_WORDS
from pytest_mtls.reasons.side import Side
from pytest_mtls.tls.standard import NO_CERTIFICATE_COMPRESSION, new_standard_context
from pytest_mtls.tls.wire import Deadline, wait_for

__all__ = ["PyOpenSSLContext"]

E = TypeVar("E", bound=ssl.SSLError)
T = TypeVar("T")

#: The binding.
_lib: Any = getattr(SSL, "_lib", None)
_ffi: Any = getattr(SSL, "_ffi", None)

_MESSAGE_CALLBACK = "void (*)(int, int, int, const void *, size_t, SSL *, void *)"
#: What a host name's check takes besides the name: CPython's own choice, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS.
_HOST_FLAGS = 0x4
#: The cipher suites up to TLS 1.2 that CPython offers by default, from 3.10 on.
_CIPHERS = "@SECLEVEL=2:ECDH+AESGCM:ECDH+CHACHA20:ECDH+AES:DHE+AES:!aNULL:!eNULL:!aDSS:!SHA1:!AESCCM"
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_VERIFY_FLAGS = crypto.X509StoreFlags
_INCOMPLETE = "The operation did not complete"
_EOF = "EOF occurred in violation of protocol"


class PyOpenSSLContext:
    """An `ssl.SSLContext` by pyOpenSSL, as far as `pytest_mtls.tls.engine.TLSContext` says what that is.

    Args:
        side: which side its sockets play.

    Attributes:
        check_hostname: whether a client's sockets check the server's name.
        sslsocket_class: what `wrap_socket` makes.
        tells_messages: whether a message callback was set, and the binding can call it.
        pyopenssl: pyOpenSSL's own context, for what `ssl.SSLContext` has no words for. It cannot be changed any more once
            a socket was made.
    """

    def __init__(self, side: Side) -> None:
        method = SSL.TLS_SERVER_METHOD if side == "server" else SSL.TLS_CLIENT_METHOD
        self.pyopenssl = SSL.Context(method)
        self.check_hostname = side == "client"
        self.sslsocket_class: type[ssl.SSLSocket] = ssl.SSLSocket
        self.tells_messages = False
        self._side = side
        self._key_log = ""
        self._flags = ssl.VerifyFlags(0)
        self._versions = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED]
        self._sockets: WeakValueDictionary[int, ssl.SSLSocket] = WeakValueDictionary()
        self._keep_alive: Any = None
        ignore_eof: int = getattr(SSL, "OP_IGNORE_UNEXPECTED_EOF", 0)
        self.pyopenssl.set_options(
            SSL.OP_ALL
            | SSL.OP_NO_COMPRESSION
            | SSL.OP_CIPHER_SERVER_PREFERENCE
            | SSL.OP_SINGLE_DH_USE
            | SSL.OP_SINGLE_ECDH_USE
            | ignore_eof
            | NO_CERTIFICATE_COMPRESSION
        )
        self.pyopenssl.set_session_id(b"pytest-mtls")
        self.minimum_version = ssl.TLSVersion.TLSv1_2
        self.set_ciphers(_CIPHERS)
        self.verify_mode = ssl.CERT_REQUIRED if side == "client" else ssl.CERT_NONE

    # --- settings ----------------------------------------------------------------------------------------------------

    @property
    def verify_mode(self) -> ssl.VerifyMode:
        """Whether a certificate of the other side is needed, wanted, or not asked for."""
        return self._mode

    @verify_mode.setter
    def verify_mode(self, mode: ssl.VerifyMode) -> None:
        self._mode = mode
        number = {
            ssl.CERT_NONE: SSL.VERIFY_NONE,
            ssl.CERT_OPTIONAL: SSL.VERIFY_PEER,
            ssl.CERT_REQUIRED: SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT,
        }[mode]
        self.pyopenssl.set_verify(number, _note_verification)

    @property
    def verify_flags(self) -> ssl.VerifyFlags:
        """How chains are verified, by the numbers of X509_V_FLAG; flags can be added, and not be taken away."""
        return self._flags

    @verify_flags.setter
    def verify_flags(self, flags: ssl.VerifyFlags) -> None:
        self._flags |= flags
        store = self.pyopenssl.get_cert_store()
        assert store is not None
        store.set_flags(int(flags))

    @property
    def minimum_version(self) -> ssl.TLSVersion:
        """The oldest version."""
        return self._versions[0]

    @minimum_version.setter
    def minimum_version(self, version: ssl.TLSVersion) -> None:
        self._versions[0] = version
        self.pyopenssl.set_min_proto_version(int(version))

    @property
    def maximum_version(self) -> ssl.TLSVersion:
        """The newest version."""
        return self._versions[1]

    @maximum_version.setter
    def maximum_version(self, version: ssl.TLSVersion) -> None:
        self._versions[1] = version
        self.pyopenssl.set_max_proto_version(int(version))

    @property
    def keylog_filename(self) -> str:
        """The file to which the secrets of connections are added; empty for none."""
        return self._key_log

    @keylog_filename.setter
    def keylog_filename(self, path: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        os.close(os.open(path, flags, 0o600))

        def log(connection: SSL.Connection, line: bytes) -> None:
            number = os.open(path, flags, 0o600)
            try:
                os.write(number, line + b"\n")
            finally:
                os.close(number)

        self._key_log = path
        self.pyopenssl.set_keylog_callback(log)

    @property
    def openssl(self) -> tuple[tuple[int, int], str]:
        """The major and minor version of this OpenSSL, and what it says of itself."""
        number = SSL.OPENSSL_VERSION_NUMBER
        return (number >> 28, number >> 20 & 0xFF), SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode("ascii")

    def set_ciphers(self, cipherlist: str) -> None:
        """Choose the cipher suites up to TLS 1.2."""
        _told(lambda: self.pyopenssl.set_cipher_list(cipherlist.encode("ascii")))

    def get_ciphers(self) -> list[Any]:
        """The cipher suites that have names, as `ssl.SSLContext.get_ciphers` has them."""
        named = new_standard_context(ssl.PROTOCOL_TLS_SERVER)
        named.set_ciphers("ALL:@SECLEVEL=0")
        return named.get_ciphers()

    def set_alpn_protocols(self, alpn_protocols: list[str]) -> None:
        """Offer these protocols, or accept them, the first that the client offers too."""
        protocols = [protocol.encode("ascii") for protocol in alpn_protocols]
        if self._side == "client":
            self.pyopenssl.set_alpn_protos(protocols)
            return

        def choose(connection: SSL.Connection, offered: list[bytes]) -> Any:
            return next((one for one in protocols if one in offered), SSL.NO_OVERLAPPING_PROTOCOLS)

        self.pyopenssl.set_alpn_select_callback(choose)

    def load_cert_chain(self, certfile: str) -> None:
        """Present the chain of a file, PEM, with the private key in it.

        Raises:
            ssl.SSLError: it cannot be presented.
        """
        _told(lambda: self.pyopenssl.use_certificate_chain_file(certfile))
        _told(lambda: self.pyopenssl.use_privatekey_file(certfile))
        _told(self.pyopenssl.check_privatekey)

    def load_default_certs(self) -> None:
        """Trust the CAs of the system."""
        self.pyopenssl.set_default_verify_paths()

    def load_verify_locations(
        self, cafile: str | None = None, capath: str | None = None, cadata: str | None = None
    ) -> None:
        """Trust the CAs of a file, PEM, with its CRLs, those of a directory by their hashes, or those of a text."""
        if cafile is not None or capath is not None:
            _told(lambda: self.pyopenssl.load_verify_locations(cafile, capath))
        store = self.pyopenssl.get_cert_store()
        assert store is not None
        for pem in _CERTIFICATE.findall((cadata or "").encode("ascii")):
            store.add_cert(_told(lambda: crypto.load_certificate(crypto.FILETYPE_PEM, pem)))  # noqa: B023

    def staple(self, answer: Callable[[], bytes]) -> None:
        """Staple an OCSP answer, DER, to the certificate for each client that asks for one; none where it is empty."""
        self.pyopenssl.set_ocsp_server_callback(lambda connection, data: answer())

    def send_ca_names(self, certificates: Iterable[x509.Certificate]) -> None:
        """Name these CAs when a client is asked for its certificate (RFC 8446 section 4.2.4, RFC 5246 section 7.4.4)."""
        for certificate in certificates:
            self.pyopenssl.add_client_ca(certificate)

    def set_message_callback(self, callback: Callable[..., None]) -> None:
        """Have the messages of all connections told, as ``SSLContext._msg_callback`` of CPython tells them."""
        if not hasattr(_lib, "SSL_CTX_set_msg_callback"):
            return
        sockets = self._sockets

        def tell(written: int, version: int, content_type: int, data: Any, size: int, connection: Any, _: Any) -> None:
            sock = sockets.get(_number_of(connection))
            if sock is not None:
                callback(
                    sock, "write" if written else "read", version, content_type, -1, bytes(_ffi.buffer(data, size))
                )

        self._keep_alive = _ffi.callback(_MESSAGE_CALLBACK, tell)
        _lib.SSL_CTX_set_msg_callback(self.pyopenssl._context, self._keep_alive)
        self.tells_messages = True

    # --- sockets -----------------------------------------------------------------------------------------------------

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,
        do_handshake_on_connect: bool = True,
        suppress_ragged_eofs: bool = True,
        server_hostname: str | bytes | None = None,
        session: Any = None,
    ) -> ssl.SSLSocket:
        """Take over a connected socket, as `ssl.SSLContext.wrap_socket` does."""
        made: ssl.SSLSocket = cast(Any, self.sslsocket_class)._create(
            sock=sock,
            server_side=server_side,
            do_handshake_on_connect=do_handshake_on_connect,
            suppress_ragged_eofs=suppress_ragged_eofs,
            server_hostname=server_hostname,
            context=self,
            session=session,
        )
        return made

    def _encode_hostname(self, name: str | bytes | None) -> str | None:
        """What `ssl.SSLSocket` asks its context for."""
        if name is None:
            return None
        return name.encode("idna").decode("ascii") if isinstance(name, str) else name.decode("ascii")

    def _wrap_socket(
        self, sock: ssl.SSLSocket, server_side: bool, server_hostname: str | None, *, owner: Any, session: Any
    ) -> _TLSObject:
        """The object to which an `ssl.SSLSocket` leaves TLS."""
        connection = SSL.Connection(self.pyopenssl, cast(Any, sock.fileno()))
        made = _TLSObject(self, connection, sock, server_hostname)
        connection.set_app_data(made)
        if _ffi is not None:
            self._sockets[_number_of(cast(Any, connection)._ssl)] = sock
        if server_side:
            connection.set_accept_state()
            return made
        connection.set_connect_state()
        if server_hostname is not None:
            made.expect(server_hostname)
        if session is not None:
            connection.set_session(session)
        return made


class _TLSObject:
    """What ``_ssl._SSLSocket`` of CPython is: TLS on the descriptor of a socket, with that socket's time-out.

    Attributes:
        context: whose connection it is.
        server_hostname: the name that was asked for.
        verify_code: what the first failure of the verification was, as OpenSSL's X509_V_ERR number; 0 for none.
    """

    def __init__(
        self, context: PyOpenSSLContext, connection: SSL.Connection, sock: ssl.SSLSocket, server_hostname: str | None
    ) -> None:
        self.context = context
        self.server_hostname = server_hostname
        self.verify_code = 0
        self._connection = connection
        self._sock = ref(sock)
        self._is_done = False

    def expect(self, name: str) -> None:
        """Ask for a name, and check that the server has it if the context says so (RFC 6066 section 3, RFC 9525)."""
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            self._connection.set_tlsext_host_name(name.encode("ascii"))
            if self.context.check_hostname:
                parameters = _lib.SSL_get0_param(cast(Any, self._connection)._ssl)
                _lib.X509_VERIFY_PARAM_set_hostflags(parameters, _HOST_FLAGS)
                _lib.X509_VERIFY_PARAM_set1_host(parameters, name.encode("ascii"), len(name))
        else:
            if self.context.check_hostname:
                parameters = _lib.SSL_get0_param(cast(Any, self._connection)._ssl)
                _lib.X509_VERIFY_PARAM_set1_ip(parameters, address.packed, len(address.packed))

    # --- input and output --------------------------------------------------------------------------------------------

    def do_handshake(self) -> None:
        """Go on with the handshake until it is done."""
        self._complete(self._connection.do_handshake, "handshake")
        self._is_done = True

    def read(self, size: int, buffer: Any = None) -> Any:
        """Bytes, or with a buffer their number; nothing at the end of the stream."""
        if size == 0 and buffer is None:
            return b""
        try:
            if buffer is None:
                return self._complete(lambda: self._connection.recv(size), "read")
            return self._complete(lambda: self._connection.recv_into(buffer, size or None), "read")
        except ssl.SSLZeroReturnError:
            if self._connection.get_shutdown() != SSL.RECEIVED_SHUTDOWN:  # it has ended its own stream before
                raise
            return b"" if buffer is None else 0

    def write(self, data: Any) -> int:
        """Send some of it; how many bytes were."""
        if not len(data):
            return 0
        return self._complete(lambda: self._connection.send(data), "write")

    def pending(self) -> int:
        """How many bytes can be read without the network."""
        return self._connection.pending()

    def shutdown(self) -> socket.socket | None:
        """Send close_notify, and wait for that of the other side."""
        if not self._complete(self._connection.shutdown, "read"):
            self._complete(self._connection.shutdown, "read")
        return self._sock()

    def _complete(self, step: Callable[[], T], what: str) -> T:
        sock = self._sock()
        if sock is None:
            raise OSError("Underlying socket has gone")
        seconds = sock.gettimeout()
        deadline = None if seconds is None else Deadline(seconds)
        while True:
            try:
                return step()
            except SSL.WantReadError:
                if seconds == 0:
                    raise _error(ssl.SSLWantReadError, ssl.SSL_ERROR_WANT_READ, _INCOMPLETE) from None
                is_ready = wait_for(sock, None if deadline is None else deadline.remaining)
            except SSL.WantWriteError:
                if seconds == 0:
                    raise _error(ssl.SSLWantWriteError, ssl.SSL_ERROR_WANT_WRITE, _INCOMPLETE) from None
                is_ready = wait_for(sock, None if deadline is None else deadline.remaining, to_write=True)
            except SSL.Error as error:
                raise _translated(error, self.verify_code) from error
            if not is_ready:
                raise TimeoutError(f"The {what} operation timed out")

    # --- what came of it ---------------------------------------------------------------------------------------------

    @property
    def session_reused(self) -> bool:
        """Whether an earlier session was resumed."""
        return bool(_lib.SSL_session_reused(cast(Any, self._connection)._ssl))

    @property
    def session(self) -> Any:
        """The session, for another connection to resume."""
        return self._connection.get_session()

    @session.setter
    def session(self, session: Any) -> None:
        self._connection.set_session(session)

    def cipher(self) -> tuple[str, str, int] | None:
        """The name of the cipher suite, its version and its bits."""
        name, version = self._connection.get_cipher_name(), self._connection.get_cipher_version()
        return None if name is None or version is None else (name, version, self._connection.get_cipher_bits() or 0)

    def version(self) -> str | None:
        """The version of TLS, once the handshake is done."""
        return self._connection.get_protocol_version_name() if self._is_done else None

    def selected_alpn_protocol(self) -> str | None:
        """The protocol that ALPN chose."""
        return self._connection.get_alpn_proto_negotiated().decode("ascii", "backslashreplace") or None

    def compression(self) -> None:
        """There is none."""

    def getpeercert(self, binary_form: bool = False) -> Any:
        """The certificate of the other side, DER, or as a dictionary, which is empty if nobody has verified it."""
        certificate = self._connection.get_peer_certificate()
        if certificate is None:
            return None
        if binary_form:
            return crypto.dump_certificate(crypto.FILETYPE_ASN1, certificate)
        if self.context.verify_mode == ssl.CERT_NONE:
            return {}
        with tempfile.TemporaryDirectory() as directory:  # the standard library reads one only from a file
            path = os.path.join(directory, "certificate.pem")
            with open(path, "wb") as file:
                file.write(crypto.dump_certificate(crypto.FILETYPE_PEM, certificate))
            return cast(Any, ssl)._ssl._test_decode_cert(path)


def _number_of(connection: Any) -> int:
    """The address of an ``SSL``, which is the same for every pointer to it."""
    return int(_ffi.cast("uintptr_t", connection))


def _note_verification(connection: SSL.Connection, certificate: crypto.X509, code: int, depth: int, ok: int) -> bool:
    """Take note of the first thing that is wrong with a chain, and leave the verdict to OpenSSL."""
    if not ok:
        made = connection.get_app_data()
        made.verify_code = made.verify_code or code
    return bool(ok)


def _told(step: Callable[[], T]) -> T:
    """What a step of setting up comes to, with its errors as `ssl` has them."""
    try:
        return step()
    except (SSL.Error, crypto.Error) as error:
        raise _translated(error, 0) from error


def _translated(error: Exception, verify_code: int) -> OSError:
    """An error of pyOpenSSL's as `ssl` would have raised it."""
    if isinstance(error, SSL.ZeroReturnError):
        closed = "TLS/SSL connection has been closed (EOF)"
        return _error(ssl.SSLZeroReturnError, ssl.SSL_ERROR_ZERO_RETURN, closed)
    if isinstance(error, SSL.SysCallError):
        number = error.args[0] if error.args else -1
        if number != -1:
            return OSError(number, os.strerror(number))
        return _error(ssl.SSLEOFError, ssl.SSL_ERROR_EOF, _EOF)
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    text = queue[-1][2] if queue and queue[-1][2] else "unknown error"
    reason = text.upper().replace(" ", "_")
    if reason == "UNEXPECTED_EOF_WHILE_READING":
        return _error(ssl.SSLEOFError, ssl.SSL_ERROR_EOF, _EOF)
    if reason == "CERTIFICATE_VERIFY_FAILED" and verify_code:
        words = VERIFY_WORDS.get(verify_code, f"verification error {verify_code}")
        text = f"[SSL: {reason}] {text}: {words}"
        failed = _error(ssl.SSLCertVerificationError, ssl.SSL_ERROR_SSL, text, reason)
        failed.verify_code, failed.verify_message = verify_code, words
        return failed
    return _error(ssl.SSLError, ssl.SSL_ERROR_SSL, f"[SSL: {reason}] {text}", reason)


def _error(kind: type[E], number: int, text: str, reason: str | None = None) -> E:
    made = kind(number, text)
    made.library, made.reason = "SSL", reason  # type: ignore[assignment]  # None in CPython's own, where there is none
    return made
