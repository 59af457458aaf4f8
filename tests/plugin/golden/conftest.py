"""What the mistakes share: servers that are under test, as a suite of a user would have them."""

import datetime
import http.server
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pytest_mtls import CertificateAuthority


@pytest.fixture
def serve():
    """Start an HTTP server of the standard library, with or without TLS; its port."""
    servers = []

    class Quiet(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request, client_address):
            if self.context is not None:
                request.settimeout(5)
                try:
                    request = self.context.wrap_socket(request, server_side=True)
                except OSError:
                    return
            super().finish_request(request, client_address)

        def handle_error(self, request, client_address):
            pass

    def start(context=None):
        server = Server(("127.0.0.1", 0), Quiet)
        server.context = context
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        return server.server_port

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def server_context(mtls_ca, mtls_server_cert):
    """A context as the documentation of `ssl` has it for mutual TLS."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=mtls_ca.cert_path)
    context.load_cert_chain(mtls_server_cert.cert_path, mtls_server_cert.key_path)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture
def free_port():
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return bound.getsockname()[1]


@pytest.fixture
def silent_port():
    """A port behind which nobody answers."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        yield bound.getsockname()[1]


@pytest.fixture
def billing_only():
    """An application that knows one client by name."""

    def app(environ, start_response):
        known = environ["pytest_mtls.handshake"].peer_certificate.subject.rfc4514_string() == "CN=billing"
        start_response("200 OK" if known else "403 Forbidden", [("Content-Length", "0")])
        return [b""]

    return app


@pytest.fixture
def company_ca():
    """A CA as old tools made it: its basicConstraints are not critical."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Company CA")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(days=9))
    builder = builder.not_valid_after(now + datetime.timedelta(days=9))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=False)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    return CertificateAuthority.load(builder.add_extension(identifier, critical=False).sign(key, hashes.SHA256()), key)


@pytest.fixture
def anyio_backend():
    return "asyncio"
