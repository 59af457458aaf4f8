"""`ClientTarget`: what a client under test is told: where to connect to, and what to present and to trust."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.certificates.identity import Identity

__all__ = ["PASSWORD", "ClientFiles", "ClientTarget"]

#: Of the PKCS#12 file: the one that Java's tools take by default.
PASSWORD = "changeit"


@dataclass(frozen=True)
class ClientFiles:
    """The files of a client under test.

    Attributes:
        identity: what it presents.
        ca: the CA that it trusts, PEM.
        crl: the CRLs of the CA and of those below it, PEM.
        cert: its certificate and the intermediates, PEM.
        key: its private key, PEM without encryption.
        pem: key and certificates in one file.
        p12: the same as PKCS#12, with the password `PASSWORD`.
    """

    identity: Identity
    ca: str
    crl: str
    cert: str
    key: str
    pem: str
    p12: str

    @classmethod
    def write(cls, directory: Path, ca: CertificateAuthority, identity: Identity) -> ClientFiles:
        """Write them to a directory, which only its owner can enter.

        Raises:
            UnusableDirectory: it cannot be written.
        """
        written = identity.write_to(directory, name="client", formats=("pem",))
        p12 = directory / "client.p12"
        p12.write_bytes(identity.pkcs12(PASSWORD))
        own_ca, crl = directory / "ca.crt", directory / "ca.crl.pem"
        own_ca.write_bytes(ca.pem)
        crl.write_bytes(b"")
        return cls(identity, str(own_ca), str(crl), written.cert, written.key, written.combined, str(p12))


@dataclass(frozen=True)
class ClientTarget:
    """What a client under test is told. Its attributes and properties can stand in a command, in braces.

    Attributes:
        host: the name or address to ask for, and to compare the server's certificate with.
        port: the TCP port.
        address: where the host is, for a host that no resolver knows.
        tls: the only TLS version that the server speaks, "1.2" or "1.3".
        files: all of the files, for callables only; that of the CRLs is written when `crl` is asked for.
        issuer: the CA whose CRLs are written; for callables only.
    """

    host: str
    port: int
    address: str
    tls: str
    files: ClientFiles
    issuer: CertificateAuthority | None = field(default=None, repr=False, compare=False)

    @property
    def url(self) -> str:
        """The URL of the server's root."""
        return f"https://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}/"

    @property
    def ca(self) -> str:
        """The file of the CA to trust, PEM."""
        return self.files.ca

    @property
    def crl(self) -> str:
        """The file of the CRLs of that CA and of those below it, PEM; it is written now."""
        if self.issuer is not None:  # to sign them takes as long as to issue certificates
            Path(self.files.crl).write_bytes(b"".join(self.issuer.crl_pems()))
        return self.files.crl

    @property
    def cert(self) -> str:
        """The file of the client's certificate and the intermediates, PEM."""
        return self.files.cert

    @property
    def key(self) -> str:
        """The file of its private key, PEM without encryption."""
        return self.files.key

    @property
    def pem(self) -> str:
        """The file of both, PEM."""
        return self.files.pem

    @property
    def p12(self) -> str:
        """The file of both as PKCS#12."""
        return self.files.p12

    @property
    def password(self) -> str:
        """The password of that file."""
        return PASSWORD

    @property
    def request(self) -> bytes:
        """A request of HTTP/1.1, for programs that send what they read on their standard input."""
        host = f"{self.host}:{self.port}"
        return f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
