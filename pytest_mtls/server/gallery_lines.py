"""What to type to ask a server of a gallery: a table of clients, each a function of where the server is and of the files."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pytest_mtls.client.endpoint import is_address
from pytest_mtls.server.gallery import Exhibit

__all__ = ["CLIENTS", "ClientPaths", "lines"]


@dataclass(frozen=True)
class ClientPaths:
    """The files that a client needs, PEM.

    Attributes:
        ca: the CA to trust.
        cert: the client's certificate and intermediates.
        key: its private key.
    """

    ca: str
    cert: str
    key: str


def lines(exhibit: Exhibit, files: ClientPaths) -> dict[str, str]:
    """What to type, by client. Each verifies the server, shows the client's certificate, and prints the HTTP status."""
    return {client: make(exhibit, files) for client, make in CLIENTS.items()}


def _curl(exhibit: Exhibit, files: ClientPaths) -> str:
    where = () if exhibit.is_local else (("--connect-to", f"::localhost:{exhibit.port}"),)
    me = ("--cert", files.cert, "--key", files.key)
    return _command(("curl", "--cacert", files.ca), me, *where, (exhibit.url,))


def _openssl(exhibit: Exhibit, files: ClientPaths) -> str:
    host = exhibit.host
    names = ("-verify_ip", host) if is_address(host) else ("-servername", host, "-verify_hostname", host)
    start = ("openssl", "s_client", "-brief", "-verify_return_error", "-connect", f"localhost:{exhibit.port}")
    me = ("-cert", files.cert, "-cert_chain", files.cert, "-key", files.key)
    return f"{_command(start, names, ('-CAfile', files.ca), me)} </dev/null"


def _requests(exhibit: Exhibit, files: ClientPaths) -> str:
    program = """
        import requests
        session = requests.Session()
    """
    url = exhibit.url
    if not exhibit.is_local:
        url = f"https://localhost:{exhibit.port}/"
        program += f"""
        adapter = requests.adapters.HTTPAdapter()
        adapter.poolmanager.connection_pool_kw.update(server_hostname="{exhibit.host}", assert_hostname="{exhibit.host}")
        session.mount("https://", adapter)
        """
    program += f"""
        print(session.get("{url}", verify="{files.ca}", cert=("{files.cert}", "{files.key}")).status_code)
    """
    return f"python3 - {_here(program)}"


def _node(exhibit: Exhibit, files: ClientPaths) -> str:
    name = "" if is_address(exhibit.host) else f'servername: "{exhibit.host}", '
    program = f"""
        const read = require("fs").readFileSync;
        const files = {{ ca: read("{files.ca}"), cert: read("{files.cert}"), key: read("{files.key}") }};
        const where = {{ host: "localhost", port: {exhibit.port}, {name}headers: {{ host: "{exhibit.host}" }} }};
        require("https").get({{ ...where, ...files }}, answer => {{ console.log(answer.statusCode); answer.resume(); }})
            .on("error", error => {{ console.error(`${{error.code}}: ${{error.message}}`); process.exitCode = 1; }});
    """
    return f"node - {_here(program)}"


def _go(exhibit: Exhibit, files: ClientPaths) -> str:
    program = f"""
        package main
        import ("crypto/tls"; "crypto/x509"; "fmt"; "net/http"; "os")
        func main() {{
            ca, _ := os.ReadFile("{files.ca}")
            roots := x509.NewCertPool()
            roots.AppendCertsFromPEM(ca)
            me, err := tls.LoadX509KeyPair("{files.cert}", "{files.key}")
            if err == nil {{
                config := &tls.Config{{RootCAs: roots, Certificates: []tls.Certificate{{me}}, ServerName: "{exhibit.host}"}}
                client := &http.Client{{Transport: &http.Transport{{TLSClientConfig: config}}}}
                var answer *http.Response
                if answer, err = client.Get("https://localhost:{exhibit.port}/"); err == nil {{
                    fmt.Println(answer.StatusCode)
                    return
                }}
            }}
            fmt.Fprintln(os.Stderr, err)
            os.Exit(1)
        }}
    """
    return _here_document("get.go", program, "go run get.go")


def _java(exhibit: Exhibit, files: ClientPaths) -> str:
    program = f"""
        import java.io.*; import java.net.*; import java.nio.file.*; import java.security.*; import java.security.cert.*;
        import java.security.spec.*; import java.util.*; import javax.net.ssl.*;
        public class Get {{
            static byte[] read(String path) throws Exception {{ return Files.readAllBytes(Paths.get(path)); }}
            public static void main(String[] arguments) throws Exception {{
                CertificateFactory factory = CertificateFactory.getInstance("X.509");
                KeyStore trust = KeyStore.getInstance("PKCS12"), mine = KeyStore.getInstance("PKCS12");
                trust.load(null, null); mine.load(null, null);
                trust.setCertificateEntry("ca", factory.generateCertificate(new ByteArrayInputStream(read("{files.ca}"))));
                java.security.cert.Certificate[] chain = factory.generateCertificates(
                    new ByteArrayInputStream(read("{files.cert}"))).toArray(new java.security.cert.Certificate[0]);
                String pem = new String(read("{files.key}")).replaceAll("-----[A-Z ]+-----|\\\\s", "");
                PrivateKey key = KeyFactory.getInstance(chain[0].getPublicKey().getAlgorithm())
                    .generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(pem)));
                mine.setKeyEntry("me", key, new char[0], chain);
                TrustManagerFactory trusted = TrustManagerFactory.getInstance("PKIX"); trusted.init(trust);
                KeyManagerFactory keys = KeyManagerFactory.getInstance("PKIX"); keys.init(mine, new char[0]);
                SSLContext context = SSLContext.getInstance("TLS");
                context.init(keys.getKeyManagers(), trusted.getTrustManagers(), null);
                Socket plain = new Socket("localhost", {exhibit.port});
                SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(plain, "{exhibit.host}", {exhibit.port}, true);
                SSLParameters parameters = socket.getSSLParameters();
                parameters.setEndpointIdentificationAlgorithm("HTTPS"); socket.setSSLParameters(parameters);
                socket.getOutputStream().write("GET / HTTP/1.1\\r\\nHost: {exhibit.host}\\r\\nConnection: close\\r\\n\\r\\n".getBytes());
                System.out.println(new BufferedReader(new InputStreamReader(socket.getInputStream())).readLine());
            }}
        }}
    """
    return _here_document("Get.java", program, "java Get.java")


def _here_document(name: str, program: str, run: str) -> str:
    return f"cat > {name} {_here(program)}\n{run}"


def _here(program: str) -> str:
    """The program as a document in the shell's own lines; blank ones are left out."""
    lines = [line for line in textwrap.dedent(program).splitlines() if line.strip()]
    return "\n".join(["<<'END'", *lines, "END"])


def _command(*parts: tuple[str, ...]) -> str:
    """A command, a part of it on each line."""
    return " \\\n    ".join(shlex.join(part) for part in parts)


#: By the name under which the page lists them.
CLIENTS: Mapping[str, Callable[[Exhibit, ClientPaths], str]] = {
    "curl": _curl,
    "openssl": _openssl,
    "requests": _requests,
    "Node.js": _node,
    "Go": _go,
    "Java": _java,
}
