"""`Gallery`: every server of the catalogue behind one port, by name, or on a port of its own."""

from __future__ import annotations

import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Endpoint, Identity, MutualTLSServer, Reason, Tier, probe
from pytest_mtls.errors import MissingPrivateKey, PortUnavailable, ServerNotRunning, UnknownCase
from pytest_mtls.server import gallery as module
from pytest_mtls.server.gallery import Exhibit, Gallery
from pytest_mtls.server.gallery_lines import CLIENTS, ClientPaths, lines
from pytest_mtls.server.gallery_page import as_page
from pytest_mtls.tls.handshake import Handshake


@pytest.fixture(scope="module")
def ca() -> Iterator[CertificateAuthority]:
    authority = CertificateAuthority.create()
    yield authority
    authority.remove_files()


@pytest.fixture(scope="module")
def client(ca: CertificateAuthority) -> Identity:
    return ca.issue_client()


@pytest.fixture(scope="module")
def gallery(ca: CertificateAuthority) -> Iterator[Gallery]:
    with Gallery(ca) as running:
        yield running


@pytest.fixture
def files(ca: CertificateAuthority, client: Identity) -> ClientPaths:
    return ClientPaths(ca.cert_path, client.cert_path, client.key_path)


def exhibit(gallery: Gallery, id: str) -> Exhibit:
    """One server."""
    return next(one for one in gallery.exhibits if one.id == id)


def at(one: Exhibit, ca: CertificateAuthority) -> Endpoint:
    """Where it is, as a client sees it."""
    return Endpoint("localhost", one.port, server_name=one.host, trust=ca)


@pytest.mark.slow
@pytest.mark.parametrize("own_ports", [False, True])
def test_every_server(
    ca: CertificateAuthority, client: Identity, own_ports: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is as its case says to a client that verifies it, at the port of all and at its own."""
    monkeypatch.setattr(module, "_FRESH_SECONDS", 3600.0)  # a new intermediate has a CRL that the client does not know
    wrong = {}
    with Gallery(ca, own_ports=own_ports) as gallery:
        exhibits = gallery.exhibits
        assert own_ports is (len({one.port for one in exhibits}) == len(exhibits))
        for one in exhibits:
            if one.case is not None and (one.case.misbehaves or one.case.tier in (Tier.INFORMATIVE, Tier.SETTING)):
                continue
            gallery.server(one.id)  # so that the client has the CRLs of the intermediates that this makes
            seen = probe(at(one, ca), client, timeout=30)
            accepts = one.case is None or one.case.accepted
            if seen.accepted is not accepts or (not accepts and seen.reason not in one.case.reasons):  # type: ignore[union-attr]
                wrong[one.id] = str(seen)
    assert {} == wrong


def test_ports_of_names(gallery: Gallery) -> None:
    """Cases that are about names cannot have one more, and are at ports of their own."""
    assert ("expired.localhost", gallery.port) == (exhibit(gallery, "expired").host, exhibit(gallery, "expired").port)
    wildcard = exhibit(gallery, "wildcard")
    assert ("www.mtls.example", False) == (wildcard.host, wildcard.port == gallery.port)
    assert "https://127.0.0.1:" in exhibit(gallery, "wrong-ip-address").url


def test_another_name_or_none_gets_the_good_server(
    gallery: Gallery, ca: CertificateAuthority, client: Identity
) -> None:
    """Whoever asks for somebody who is not there talks to the good server."""
    seen = probe(Endpoint("localhost", gallery.port, server_name="localhost", trust=ca), client)
    assert seen.accepted
    seen = probe(Endpoint("127.0.0.1", gallery.port, trust=ca), client)
    assert (True, None) == (seen.accepted, seen.server_name if seen.server_name != "127.0.0.1" else None)


def test_clients_are_judged(gallery: Gallery, ca: CertificateAuthority) -> None:
    """The servers require a certificate of the CA, and follow its revocations."""
    revoked = ca.issue_client()
    ca.revoke(revoked)
    good = at(exhibit(gallery, "good"), ca)
    assert Reason.NO_CERTIFICATE is probe(good, None).reason
    assert (False, Reason.REVOKED) == (
        probe(good, revoked).accepted,
        gallery.server("good").handshakes[-1].reason,
    )


def test_verdicts_are_told(ca: CertificateAuthority, client: Identity) -> None:
    """Each verdict is told with the name of the server and the client's own address, and again if more is known later."""
    told: list[tuple[str, Handshake]] = []
    came = threading.Semaphore(0)

    def on_verdict(name: str, handshake: Handshake) -> None:
        told.append((name, handshake))
        came.release()

    with Gallery(ca, on_verdict=on_verdict) as gallery:
        probe(at(exhibit(gallery, "expired"), ca), client)
        assert came.acquire(timeout=30)
        seen = probe(at(exhibit(gallery, "good"), ca), client)
        assert came.acquire(timeout=30)
    assert [("expired", "client", Reason.EXPIRED), ("good", None, None)] == [
        (name, one.rejected_by, one.reason) for name, one in told[:2]
    ]
    assert seen.local_address == told[1][1].peer_address


def test_http_without_tls_is_answered(gallery: Gallery, ca: CertificateAuthority) -> None:
    """Who speaks HTTP at the port of all gets an answer of the app."""
    assert requests.get(f"http://localhost:{gallery.port}/", timeout=30).json()["client"] is None


def test_a_hello_in_pieces(gallery: Gallery, ca: CertificateAuthority, client: Identity) -> None:
    """A name that arrives a byte at a time is waited for."""
    context = client.ssl_context(trust=ca)
    with socket.create_connection(("localhost", gallery.port)) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ours, theirs = socket.socketpair()
        with ours, theirs:

            def dribble() -> None:
                first = theirs.recv(65536)
                for at in range(len(first)):
                    plain.send(first[at : at + 1])
                theirs.sendall(plain.recv(65536))

            thread = threading.Thread(target=dribble, daemon=True)
            thread.start()
            with pytest.raises(OSError, match="certificate has expired"):
                context.wrap_socket(ours, server_hostname="expired.localhost")
            thread.join(30)
    assert "expired.localhost" == gallery.server("expired").handshakes[-1].server_name


def test_certificates_are_made_anew(
    ca: CertificateAuthority, client: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that runs for days presents a certificate of now, and what ends in a minute does so for the next client, too."""
    monkeypatch.setattr(module, "_FRESH_SECONDS", 0.0)
    with Gallery(ca) as gallery:
        one = exhibit(gallery, "expires-in-a-minute")
        serials = {probe(at(one, ca), client).peer_certificate.serial_number for _ in range(3)}  # type: ignore[union-attr]
    assert 3 == len(serials)


def test_life(ca: CertificateAuthority, mtls_server: MutualTLSServer) -> None:
    """It stops whole, and says when it is not there; a port in use leaves nothing behind."""
    before = threading.active_count()
    gallery = Gallery(ca)
    with pytest.raises(ServerNotRunning):
        _ = gallery.exhibits
    with gallery:
        one = gallery.server("expired")
        assert one is gallery.server("expired")
        with pytest.raises(UnknownCase, match=r"no server case matches 'expird'.*expired"):
            gallery.server("expird")
    gallery.stop()
    assert not one.is_running
    with pytest.raises(ServerNotRunning):
        gallery.server("expired")
    with pytest.raises(PortUnavailable, match=str(mtls_server.port)):
        Gallery(ca, port=mtls_server.port).start()
    assert before == threading.active_count()
    with pytest.raises(MissingPrivateKey):
        Gallery(CertificateAuthority.load(ca.pem, partial=True))


class TestLines:
    """What to type, typed."""

    PROGRAMS = {  # noqa: RUF012
        "curl": ("curl", "curl"),
        "openssl": ("openssl", "openssl"),
        "requests": ("bash", "bash"),
        "Node.js": ("node", "nodejs"),
        "Go": ("go", "golang-go"),
        "Java": ("java", "openjdk-17-jdk-headless"),
    }

    @pytest.mark.parametrize(
        "client_name",
        [pytest.param(name, marks=[pytest.mark.slow] if name in {"Go", "Java"} else []) for name in CLIENTS],
    )
    def test_lines(self, gallery: Gallery, files: ClientPaths, tmp_path: Path, client_name: str) -> None:
        """Each line gets in at the good server, by name and at a port of its own, and is stopped by the bad ones."""
        program, package = self.PROGRAMS[client_name]
        require_program(program, apt=package)
        done = {}
        for id in ("good", "wildcard", "expired", "wrong-host"):
            line = lines(exhibit(gallery, id), files)[client_name]
            run = subprocess.run(["bash", "-c", line], cwd=tmp_path, capture_output=True, text=True, timeout=120)
            done[id] = (run.returncode == 0, run.stdout + run.stderr)
        assert {"good": True, "wildcard": True, "expired": False, "wrong-host": False} == {
            id: got_in for id, (got_in, _) in done.items()
        }, done
        if client_name != "openssl":
            assert "200" in done["good"][1] or "client" in done["good"][1]

    def test_every_client_is_tried(self) -> None:
        """None of the table is left out above."""
        assert set(self.PROGRAMS) == set(CLIENTS)


def test_page(gallery: Gallery, files: ClientPaths) -> None:
    """The page names every server with its URL, what is wrong, and what to type; nothing is loaded from elsewhere."""
    page = as_page(gallery.exhibits, files)
    for one in gallery.exhibits:
        assert f'<a href="{one.url}">' in page
    assert page.count("<article") == len(gallery.exhibits)
    assert "src=" not in page
    assert "The validity ended" in page
