"""``openssl s_client``, a client that is not ours, as a second opinion on what a server makes of a certificate."""

from __future__ import annotations

import subprocess

from support.requirements import require_program

from pytest_mtls import Identity

__all__ = ["s_client_gets_in"]

#: PostgreSQL's StartupMessage, version 3.0.
_STARTUP = (23).to_bytes(4, "big") + (196608).to_bytes(4, "big") + b"user\0postgres\0\0"
#: What is said inside, and how the answer of a server begins that serves the client.
_ASKED = {
    "https": (b"GET / HTTP/1.0\r\n\r\n", b"HTTP/1."),
    "tls": (b"something\n", b"something"),
    "postgres": (_STARTUP, b"R\x00\x00\x00\x08\x00\x00\x00\x00"),
}


def s_client_gets_in(port: int, identity: Identity, *, protocol: str = "https", tls: str = "1.2") -> bool:
    """Whether a server serves a client with this certificate, key and chain.

    Args:
        port: the server's, on localhost.
        identity: what is presented.
        protocol: what the server speaks: "https", "tls" for one that echoes, or "postgres".
        tls: over which version.

    Raises:
        AssertionError: openssl did not present the certificate, so that nothing can be said.
    """
    program = require_program("openssl", apt="openssl")
    command = [
        program,
        "s_client",
        "-connect",
        f"127.0.0.1:{port}",
        "-quiet",
        "-ign_eof",
        f"-tls{tls.replace('.', '_')}",
    ]
    command += ["-cert", identity.cert_path, "-key", identity.key_path, "-cert_chain", identity.cert_path]
    if protocol == "postgres":
        command += ["-starttls", "postgres"]
    asked, answer = _ASKED[protocol]
    with subprocess.Popen(
        list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as client:
        assert client.stdin is not None
        assert client.stdout is not None
        try:
            client.stdin.write(asked)
            client.stdin.flush()
            said = client.stdout.read(len(answer))
        except BrokenPipeError:
            said = b""
        finally:
            client.kill()
    return said == answer
