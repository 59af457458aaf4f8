"""A client that breaks the rules: it is rejected for that alone, and its verdicts are as sure as those of one that does not."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from support.requirements import require_version

from pytest_mtls import Alert, CertificateAuthority, Endpoint, Handshake, MutualTLSServer, probe
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.cases.presentation import Presentation
from pytest_mtls.client.misbehaving import MISBEHAVIOURS
from pytest_mtls.server.misbehaviour import reset


@pytest.fixture(scope="module")
def ca() -> Iterator[CertificateAuthority]:
    """The CA that both sides trust."""
    require_version("tlslite-ng", "0")
    authority = CertificateAuthority.create()
    yield authority
    authority.remove_files()


def played(ca: CertificateAuthority, misbehaviour: str) -> Presentation:
    """A good client's certificate, and how it is presented."""
    return Presentation(ca.issue_client(), misbehaviour=misbehaviour)


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
class TestAgainstOurServer:
    """Over both versions."""

    @pytest.mark.parametrize("key_kind", ["p256", "p384", "rsa2048", "ed25519"])
    def test_what_behaves_is_accepted(self, ca: CertificateAuthority, tls: str, key_kind: str) -> None:
        """The same client that misbehaves in nothing gets in, with a key of any kind."""
        client = Presentation(ca.issue_client(key_kind=key_kind), misbehaviour="none")
        with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
            seen = probe(server, client, tls=tls)
        assert (True, None, f"TLSv{tls}") == (seen.accepted, seen.error, seen.tls_version)

    @pytest.mark.parametrize("misbehaviour", list(MISBEHAVIOURS))
    def test_both_ends_saw_the_same(self, ca: CertificateAuthority, tls: str, misbehaviour: str) -> None:
        """The messages are those that the server saw, in their order, and the client's certificate is among them."""
        client = played(ca, misbehaviour)
        with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
            seen = probe(server, client, tls=tls)
        assert seen.counterpart is not None
        here, there = (
            [str(message) for message in one.transcript if message.name not in ("Alert", "NewSessionTicket")]
            for one in (seen, seen.counterpart)
        )
        assert there == here[: len(there)]
        assert client.identity is not None
        assert (client.identity.der,) == seen.sent_chain_der == seen.counterpart.peer_chain_der
        assert server.cert.der == seen.peer_chain_der[0]
        proof = [message.name for message in seen.transcript if message.sender == "client"].count("CertificateVerify")
        assert proof == (0 if misbehaviour == "certificate verify missing" else 1)

    def test_twenty_in_a_row(self, ca: CertificateAuthority, tls: str) -> None:
        """The verdict is the same each time."""
        with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
            seen = [probe(server, played(ca, "certificate verify fuzzed"), tls=tls) for _ in range(20)]
        assert {(False, "server", Alert.DECRYPT_ERROR)} == {(one.accepted, one.rejected_by, one.alert) for one in seen}


def test_each_case_names_one() -> None:
    """The cases of the catalogue and the misbehaviours are the same, but for the one that is none."""
    cases = [case for case in CATALOGUE["client"].select(["*"]) if case.misbehaves]
    assert sorted(set(MISBEHAVIOURS) - {"none"}) == sorted(
        str(case.behaviour.misbehaviour) for case in cases if case.behaviour is not None
    )


def test_a_plain_stack_says_no_more_than_it_knows(ca: CertificateAuthority) -> None:
    """Against a server that is not ours the reason is what its alert says by its name."""
    with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:
        seen = probe(Endpoint(*server.address), played(ca, "certificate verify missing"), trust=ca)
    assert (False, "server", "unexpected_message", Alert.UNEXPECTED_MESSAGE) == (
        seen.accepted,
        seen.rejected_by,
        seen.reason,
        seen.alert,
    )


class TestAgainstOddServers:
    """A verdict with every kind of server."""

    def against(self, ca: CertificateAuthority, act: str) -> Handshake:
        """A handshake with a server that does one thing to its one client."""

        def serve() -> None:
            peer, _ = listener.accept()
            with peer:
                peer.recv(65536)
                if act == "garbage":
                    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                    peer.recv(65536)
                elif act == "reset":
                    reset(peer)
                elif act == "hang":
                    peer.recv(65536)

        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve)
            thread.start()
            address = listener.getsockname()[:2]
            timeout = 0.2 if act == "hang" else 5.0
            seen = probe(address, played(ca, "certificate verify missing"), trust=ca, timeout=timeout)
            thread.join()
        return seen

    @pytest.mark.parametrize("act", ["close", "reset"])
    def test_that_breaks_off(self, ca: CertificateAuthority, act: str) -> None:
        """An end of the stream is a rejection whose alert is not known."""
        seen = self.against(ca, act)
        assert (False, "server", None) == (seen.accepted, seen.rejected_by, seen.alert)
        assert seen.error

    @pytest.mark.parametrize("act", ["hang", "garbage"])
    def test_that_says_nothing_of_use(self, ca: CertificateAuthority, act: str) -> None:
        """Silence is not a verdict, and neither is what is not TLS."""
        seen = self.against(ca, act)
        assert (None, None) == (seen.accepted, seen.rejected_by)
        assert seen.error


def test_without_the_extra() -> None:
    """Where tlslite-ng is not installed the case cannot be presented, and the error says how to install it."""
    code = (
        "import sys; sys.modules['tlslite'] = None\n"
        "from pytest_mtls import CertificateAuthority, MutualTLSServer, client_cases, probe\n"
        "from pytest_mtls.errors import CaseNotPresentable\n"
        "ca = CertificateAuthority.create()\n"
        "(case,) = client_cases('certificate-verify-missing')\n"
        "with MutualTLSServer(cert=ca.issue_server(), trust=ca) as server:\n"
        "    try: probe(server, case.values[0])\n"
        "    except CaseNotPresentable as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "python -m pip install 'pytest-mtls[wire]'" in done.stdout


@pytest.mark.parametrize("tls", ["1.2", "1.3"])
@pytest.mark.parametrize("ending", ["orderly", "bare", "reset"])
def test_server_that_accepts_and_ends_has_accepted(ca: CertificateAuthority, tls: str, ending: str) -> None:
    """A session ticket says that the client was taken in, whichever end of the stream comes with it."""

    def end(sock: ssl.SSLSocket, handshake: Handshake) -> None:
        if ending != "orderly":
            raw = socket.socket(fileno=sock.detach())
            if ending == "reset":
                reset(raw)
            raw.close()

    with MutualTLSServer(cert=ca.issue_server(), trust=ca, handler=end) as server:
        where = Endpoint(*server.address, trust=ca)
        seen = [probe(where, played(ca, "none"), tls=tls) for _ in range(10)]
    assert [(True, None)] * 10 == [(one.accepted, one.error) for one in seen]
