"""`assert_rotates` holds for servers that take up their new files well, and fails for each that does not."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from cryptography import x509
from support.reloading_server import FLAWS, ReloadingServer

from pytest_mtls import (
    CertificateAuthority,
    Endpoint,
    HandshakeAssertionError,
    Identity,
    MtlsError,
    MutualTLSServer,
    RotatingFiles,
    Rotation,
    assert_rejected,
    assert_rotates,
    register_protocol,
)
from pytest_mtls.certificates.rotating import Layout
from pytest_mtls.client.protocols import PROTOCOLS
from pytest_mtls.errors import InvalidArgument, MissingPrivateKey, ServerNotRunning

#: Seconds for which each half-way state is watched here, where a reload is done when it returns.
WATCH = 0.06
BROKEN_PAIR = {"new-key", "new-certificate", "truncated-certificate", "truncated-key", "empty", "malformed", "missing"}
BROKEN_BUNDLE = {"truncated-bundle", "missing-bundle"}


@pytest.fixture
def old(mtls_ca: CertificateAuthority) -> Identity:
    return mtls_ca.issue_server(common_name="old")


@pytest.fixture
def new(mtls_ca: CertificateAuthority) -> Identity:
    return mtls_ca.issue_server(common_name="new")


@pytest.fixture
def files(tmp_path: Path, old: Identity, mtls_ca: CertificateAuthority) -> RotatingFiles:
    return RotatingFiles(old, tmp_path / "certs", trust=mtls_ca)


def story_of(server: ReloadingServer, files: RotatingFiles, new: Identity, **known: Any) -> str:
    """What a failed assertion says."""
    with pytest.raises(HandshakeAssertionError) as failed:
        assert_rotates(server.endpoint, files, new, within=1.0, reload=server.reload, watch=WATCH, **known)
    return str(failed.value)


# --- servers that do it well -----------------------------------------------------------------------------------------


#: Two of the layouts are in the plain suite, the others in the slow tests.
LAYOUTS = [
    pytest.param(layout, marks=() if layout in ("rename", "kubernetes") else pytest.mark.slow)
    for layout in get_args(Layout)
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("protocol", ["tls", "https"])
def test_server_of_this_process(
    tmp_path: Path, layout: Layout, protocol: str, mtls_ca: CertificateAuthority, old: Identity, new: Identity
) -> None:
    """`MutualTLSServer.reload` changes over at once, and declines what is half way."""
    files = RotatingFiles(old, tmp_path / "certs", layout, trust=mtls_ca)

    def reload() -> None:
        pair = Identity.load(files.cert_path, files.key_path)
        server.reload(cert=pair, trust=x509.load_pem_x509_certificates(Path(files.ca_path).read_bytes()))

    with MutualTLSServer(cert=old, trust=mtls_ca) as server:
        endpoint = server if protocol == "tls" else replace(server.endpoint, protocol=protocol)
        seen = assert_rotates(endpoint, files, to=new, within=5, reload=reload, watch=WATCH)
        assert new.certificate == server.cert.certificate
    assert new == files.identity
    assert 3 == len(seen.seconds)
    assert max(seen.seconds) < 5
    assert BROKEN_PAIR | BROKEN_BUNDLE == {state for state, raised in seen.half_way.items() if raised}
    assert {"old-bundle"} == {state for state, raised in seen.half_way.items() if not raised}
    assert seen.connections >= len(seen.half_way) * 2 + 3 * 4


@pytest.mark.parametrize("layout", LAYOUTS)
def test_server_that_watches_its_files(
    tmp_path: Path, layout: Layout, mtls_ca: CertificateAuthority, old: Identity, new: Identity
) -> None:
    """A server that looks at its files at each connection needs no reload."""
    files = RotatingFiles(old, tmp_path / "certs", layout, trust=mtls_ca)
    with ReloadingServer(files, mtls_ca, watches=True) as server:
        seen = assert_rotates(server.endpoint, files, new, within=5, watch=WATCH)
    assert set() == {raised for raised in seen.half_way.values() if raised}


def test_bundle_and_crl(tmp_path: Path, mtls_ca: CertificateAuthority, old: Identity, new: Identity) -> None:
    """The CA bundle and the CRL are taken up with the pair: each client is judged by what is in force."""
    leaving, coming = CertificateAuthority.create("leaving"), CertificateAuthority.create("coming")
    revoked, stays = mtls_ca.issue_client("revoked"), mtls_ca.issue_client("stays")
    before = [ca.crl() for ca in (mtls_ca, leaving, coming)]
    mtls_ca.revoke(revoked)
    after = [ca.crl() for ca in (mtls_ca, leaving, coming)]
    files = RotatingFiles(old, tmp_path / "certs", trust=[mtls_ca, leaving], crl=before)
    with ReloadingServer(files, mtls_ca, checks_crl=True) as server:
        assert_rejected(server.endpoint, coming.issue_client("bob"))
        seen = assert_rotates(
            server.endpoint,
            files,
            new,
            within=2,
            reload=server.reload,
            client=stays,
            bundle=[mtls_ca, coming],
            crl=after,
            accepts=[stays, coming.issue_client("bob")],
            rejects=[revoked, leaving.issue_client("carol")],
            watch=WATCH,
        )
    assert "truncated-crl" in seen.half_way


def test_bundle_alone(files: RotatingFiles, mtls_ca: CertificateAuthority, old: Identity) -> None:
    """The bundle may rotate where the pair stays."""
    other = CertificateAuthority.create("other")
    with ReloadingServer(files, mtls_ca) as server:
        assert_rotates(
            server.endpoint,
            files,
            within=2,
            reload=server.reload,
            bundle=[mtls_ca, other],
            accepts=[other.issue_client()],
            half_way=False,
        )
    assert old == files.identity
    assert mtls_ca.pem + other.pem == Path(files.ca_path).read_bytes()


def test_new_root(tmp_path: Path, mtls_ca: CertificateAuthority, old: Identity) -> None:
    """The next certificate may be of another root, where the clients trust both."""
    successor = CertificateAuthority.create("successor")
    files = RotatingFiles(old, tmp_path / "certs", trust=mtls_ca)
    with ReloadingServer(files, mtls_ca) as server:
        assert_rotates(
            server.endpoint,
            files,
            successor.issue_server(),
            reload=server.reload,
            trust=[mtls_ca, successor],
            half_way=["new-key"],
            watch=WATCH,
        )


def test_chosen_states(files: RotatingFiles, mtls_ca: CertificateAuthority) -> None:
    """Some half-way states, or none, are tried where that is asked for."""
    with ReloadingServer(files, mtls_ca) as server:
        for chosen in (False, ["missing", "new-key"]):
            seen: Rotation = assert_rotates(
                server.endpoint,
                files,
                mtls_ca.issue_server(),
                reload=server.reload,
                half_way=chosen,  # type: ignore[arg-type]
                watch=WATCH,
            )
            assert ([] if chosen is False else ["new-key", "missing"]) == list(seen.half_way)


# --- servers that do it badly ----------------------------------------------------------------------------------------

#: By flaw: the first line of the story, and what else has to be in it.
STORIES: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "forgets client certificates": (
        {"half_way": False},
        r"a client without a certificate was accepted, in rotation 1 of 3, to CN=new \(serial number \w+, SHA-256 \w{64}\)",
        (
            "reload: reload() returned after ",
            "the server does not require a certificate",
        ),
    ),
    "drops open connections": (
        {"half_way": False},
        (
            r"a request of which the first half was sent, open since before the files were replaced, did not live on: "
            r"the server dropped it \(.*\), in rotation 1 of 3, to CN=new .*"
        ),
        (),
    ),
    "never reloads": (
        {"half_way": False},
        (
            r"the server did not take up the new certificate within 1 s \(connection \d+, begun \d\.\d\d s after the files "
            r"were replaced\), in rotation 1 of 3, to CN=new .*"
        ),
        (": accepted, with the old certificate", "did not read its files again when it was told to"),
    ),
    "reloads once": (
        {"half_way": False},
        r"the server did not take up the new certificate within 1 s \(connection .*\), in rotation 2 of 3, to CN=old .*",
        (": accepted, with the new certificate",),
    ),
    "rejects during the reload": (
        {"half_way": False},
        (
            r"a new connection was rejected \(connection \d+, begun -?\d\.\d\d s (after|before) the files were replaced\), "
            r"in rotation 1 of 3, to CN=new .*"
        ),
        (": rejected by the server, which did not say why", ": accepted, with the old certificate"),
    ),
    "breaks on half-way files": (
        {},
        (
            r"a new connection was rejected \(connection .*\), while the files were half way: the new key beside the old "
            r"certificate"
        ),
        ("reload: reload() raised SSLError: ", "rejected by the server: no common parameters"),
    ),
    "opens up on half-way files": (
        {},
        (
            r"a client without a certificate was accepted, while the files were half way: the new key and certificate beside "
            r"half of a CA bundle"
        ),
        ("reload: reload() raised SSLError: ",),
    ),
    "goes back": (
        {"half_way": False},
        r"(the server went back to another certificate|the server did not take up .*) \(connection .*\), in rotation . of 3, .*",
        (": accepted, with the old certificate",),
    ),
    "one process in four stays": (
        {"half_way": False},
        r"the server did not take up the new certificate within 1 s \(connection .*\), in rotation 1 of 3, to CN=new .*",
        ("likely cause: some of the server's processes took up the new files, and others did not.",),
    ),
}


@pytest.mark.parametrize(("flaw", "known", "first", "others"), [(flaw, *row) for flaw, row in STORIES.items()])
def test_flaw_is_told(
    files: RotatingFiles,
    mtls_ca: CertificateAuthority,
    new: Identity,
    flaw: str,
    known: dict[str, Any],
    first: str,
    others: tuple[str, ...],
) -> None:
    """The story names what went wrong, in which step, with which certificates, and what each connection got."""
    with ReloadingServer(files, mtls_ca, flaw) as server:
        story = story_of(server, files, new, **known)
    assert re.fullmatch(first, story.splitlines()[0]), story
    for text in (
        "  old:    CN=old (serial number ",
        f"SHA-256 {new.fingerprint_sha256})",
        *others,
    ):
        assert text in story


def test_every_flaw_has_a_test() -> None:
    """No flaw of the server is left out."""
    assert set(FLAWS) == {*STORIES, "ignores the bundle", "keeps every bundle"}


@pytest.mark.parametrize("expected", ["accepts", "rejects"])
def test_bundle_that_is_not_taken_up(
    files: RotatingFiles, mtls_ca: CertificateAuthority, new: Identity, expected: str
) -> None:
    """A server that reloads its pair and not its CA bundle fails for the clients whom the new bundle is about."""
    other = CertificateAuthority.create("other")
    with ReloadingServer(files, mtls_ca, "ignores the bundle") as server:
        if expected == "accepts":
            known: dict[str, Any] = {"bundle": [mtls_ca, other], "accepts": [other.issue_client("bob")]}
        else:
            files.rotate(trust=[mtls_ca, other])
            server._bundle = ""
            server.reload()
            known = {"bundle": mtls_ca, "rejects": [other.issue_client("bob")]}
        story = story_of(server, files, new, half_way=False, **known)
    should = expected.replace("s", "ed")
    assert re.match(rf"the client CN=bob \(serial number .*\) was not {should} within 1 s, in rotation 1 of 3", story)


def test_bundle_that_is_kept_with_the_next(files: RotatingFiles, mtls_ca: CertificateAuthority, new: Identity) -> None:
    """A server that adds the new bundle to the old one still accepts who was in it after the rotation back."""
    other = CertificateAuthority.create("other")
    with ReloadingServer(files, mtls_ca, "keeps every bundle") as server:
        bob = other.issue_client("bob")
        story = story_of(server, files, new, half_way=False, bundle=[mtls_ca, other], accepts=[bob])
    assert re.match(r"the client CN=bob \(serial number .*\) was not rejected within 1 s, in rotation 2 of 3", story)


def test_client_that_is_rejected_for_its_name(
    files: RotatingFiles, mtls_ca: CertificateAuthority, new: Identity
) -> None:
    """Where the application turns a client away by name, that is no sign that the new bundle was taken up."""
    other = CertificateAuthority.create("other")
    files.rotate(trust=[mtls_ca, other])
    with ReloadingServer(files, mtls_ca, "ignores the bundle", turned_away="bob") as server:
        story = story_of(server, files, new, half_way=False, bundle=mtls_ca, rejects=[other.issue_client("bob")])
    told = r"the client CN=bob \(serial number .*\) was rejected, and so is a good client of its names: that tells nothing, in"
    assert re.match(told, story)


def test_half_way_state_that_is_read_late(files: RotatingFiles, mtls_ca: CertificateAuthority, new: Identity) -> None:
    """A server that reads its files later than a state was watched for is watched again, for longer."""
    with ReloadingServer(files, mtls_ca, "breaks on half-way files", watches=True, waits=True) as server:
        with pytest.raises(HandshakeAssertionError) as failed:
            assert_rotates(server.endpoint, files, new, within=10, watch=WATCH, half_way=["new-key", "missing"])
        assert "while the files were half way: the new key beside the old certificate" in str(failed.value)
    assert "CN=old" == files.identity.subject


def test_connection_that_only_has_to_stay_open(
    files: RotatingFiles, mtls_ca: CertificateAuthority, new: Identity
) -> None:
    """Where nothing is known of the protocol, a held connection must not end."""
    with ReloadingServer(files, mtls_ca, "drops open connections") as server:
        server.endpoint = replace(server.endpoint, protocol="tls")
        story = story_of(server, files, new, half_way=False)
    assert re.match(
        r"a connection, open since before the files were replaced, did not live on: the server (closed|dropped) it",
        story,
    )


def test_no_reload_is_told(files: RotatingFiles, mtls_ca: CertificateAuthority, new: Identity) -> None:
    """Who gives no reload, and whose server does not watch its files, reads what to do."""
    with ReloadingServer(files, mtls_ca) as server, pytest.raises(HandshakeAssertionError) as failed:
        assert_rotates(server.endpoint, files, new, within=0.2, half_way=False)
    assert "the server does not look at its files again by itself. Tell it to: reload=..." in str(failed.value)
    assert "  reload: there is no reload: the server has to notice by itself" in str(failed.value)


def test_server_that_presents_something_else(
    files: RotatingFiles, mtls_ca: CertificateAuthority, new: Identity
) -> None:
    """Files that the server does not read prove nothing, and nothing is rotated."""
    with MutualTLSServer(cert=new, trust=mtls_ca) as server, pytest.raises(HandshakeAssertionError) as failed:
        assert_rotates(server, files, new)
    assert str(failed.value).startswith(
        "the server does not present what the files hold, before they are rotated (connection 1"
    )
    assert "CN=old" == files.identity.subject


def test_server_that_rejects_the_good_client(
    files: RotatingFiles, mtls_ca: CertificateAuthority, mtls_untrusted_ca: CertificateAuthority, new: Identity
) -> None:
    """A server that rejects everybody is not rotated."""
    with ReloadingServer(files, mtls_ca) as server, pytest.raises(HandshakeAssertionError) as failed:
        assert_rotates(server.endpoint, files, new, client=mtls_untrusted_ca.issue_client())
    assert str(failed.value).startswith("a good client does not get in before the first rotation (connection 1")


def test_server_that_is_open_from_the_start(
    files: RotatingFiles, mtls_ca: CertificateAuthority, old: Identity, new: Identity
) -> None:
    """A server that requires no certificate fails before anything is rotated."""
    open_to_all = MutualTLSServer(cert=old, trust=mtls_ca, client_certs="optional")
    with open_to_all as server, pytest.raises(HandshakeAssertionError) as failed:
        assert_rotates(server, files, new)
    assert str(failed.value).startswith("a client without a certificate was accepted, before the first rotation")


def test_failure_half_way_puts_the_old_files_back(
    files: RotatingFiles, mtls_ca: CertificateAuthority, old: Identity, new: Identity
) -> None:
    """Other tests of the same server find whole files."""
    with ReloadingServer(files, mtls_ca, "breaks on half-way files") as server:
        story_of(server, files, new)
    assert old.pem == Identity.load(files.cert_path, files.key_path).pem


def test_reload_that_raises_passes_through(files: RotatingFiles, mtls_ca: CertificateAuthority, new: Identity) -> None:
    """Where the files are whole, what reload raises is the test's own; no thread is left."""
    before = threading.active_count()

    def reload() -> None:
        raise LookupError("no such container")

    with ReloadingServer(files, mtls_ca) as server, pytest.raises(LookupError, match="no such container"):
        assert_rotates(server.endpoint, files, new, reload=reload, half_way=False)
    assert before == threading.active_count()


# --- bad arguments ---------------------------------------------------------------------------------------------------

BAD: dict[str, tuple[dict[str, Any], type[MtlsError], str]] = {
    "files": ({"files": "certs/"}, InvalidArgument, "files is 'certs/', but it must be the RotatingFiles"),
    "to": ({"to": b""}, InvalidArgument, "the server's certificate is b'', but it must be an Identity"),
    "within": ({"within": 0}, InvalidArgument, "within is 0, but it must be a number of seconds above 0"),
    "watch": ({"watch": "1"}, InvalidArgument, "watch is '1'"),
    "timeout": ({"timeout": True}, InvalidArgument, "timeout is True"),
    "reload": ({"reload": "SIGHUP"}, InvalidArgument, "reload is 'SIGHUP', but it must be a callable"),
    "half_way": ({"half_way": ["half"]}, InvalidArgument, "half_way is 'half', but it must be some of new-key, "),
    "no CRL": ({"half_way": ["truncated-crl"]}, InvalidArgument, "half_way is 'truncated-crl'"),
    "crl": ({"crl": b""}, InvalidArgument, "crl is None, but it must be given to RotatingFiles"),
    "accepts": ({"accepts": ["alice"]}, InvalidArgument, "accepts is ..alice..?, but it must be identities"),
    "client": ({"client": 7}, InvalidArgument, "the client's certificate is 7"),
    "nothing": ({"to": None}, InvalidArgument, "to is None, but it must be another certificate than the files hold"),
    "nobody": (
        {"to": None, "bundle": CertificateAuthority.create()},
        InvalidArgument,
        "but it must be given, or rejects, where only bundle or CRL is rotated",
    ),
}


@pytest.mark.parametrize(("given", "error", "text"), BAD.values(), ids=BAD)
def test_bad_arguments(
    files: RotatingFiles,
    mtls_server: MutualTLSServer,
    given: dict[str, Any],
    error: type[MtlsError],
    text: str,
    new: Identity,
) -> None:
    """One typed error, before any connection is made, and the files are as before."""
    call: Callable[..., Rotation] = assert_rotates
    with pytest.raises(error, match=text):
        call(mtls_server, **{"files": files, "to": new, **given})
    assert () == mtls_server.handshakes
    assert "CN=old" == files.identity.subject


def test_key_that_is_not_here(files: RotatingFiles, mtls_server: MutualTLSServer, new: Identity) -> None:
    """The next certificate needs its key."""
    with pytest.raises(MissingPrivateKey):
        assert_rotates(mtls_server, files, Identity(new.chain))


def test_no_client(files: RotatingFiles, mtls_ca: CertificateAuthority, mtls_server: MutualTLSServer) -> None:
    """Where no CA can issue a client, one has to be given."""
    with pytest.raises(InvalidArgument, match="client is None, but it must be a client that the server accepts"):
        assert_rotates(Endpoint("localhost", mtls_server.port, trust=mtls_ca.pem), files)


def test_server_that_does_not_run(files: RotatingFiles, mtls_ca: CertificateAuthority, old: Identity) -> None:
    """It has to run."""
    with pytest.raises(ServerNotRunning):
        assert_rotates(MutualTLSServer(cert=old, trust=mtls_ca), files)


def test_probe_by_hand(files: RotatingFiles, mtls_ca: CertificateAuthority) -> None:
    """A protocol with a probe of its own does not show the server's certificate."""
    register_protocol("by-hand", probe=lambda **_: True)
    try:
        with pytest.raises(InvalidArgument, match="endpoint is 'localhost:1', but it must be of a protocol without"):
            assert_rotates(Endpoint("localhost", 1, "by-hand", ca=mtls_ca), files)
    finally:
        del PROTOCOLS["by-hand"]
