"""Named checks of a client: each is passed by a sound client, and fails for one that is bad on purpose in that way."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
import requests
from support.client_programs import CURL
from support.requirements import require_program

from pytest_mtls import CertificateAuthority
from pytest_mtls.conformance.client.call import ClientArgument
from pytest_mtls.conformance.client.checks import CHECKS, CheckResult, check_client
from pytest_mtls.conformance.client.target import ClientTarget
from pytest_mtls.conformance.client.under_test import ClientUnderTest
from pytest_mtls.conformance.policy import ExpectedException, Policy
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.reasons.versions import TLS_VERSIONS
from pytest_mtls.tls.transcript import versions_offered

PATIENCE = 60.0


def fetch(target: ClientTarget, *, cert: bool = True, follow: bool = False, verify: bool = True) -> None:
    """What a client does that uses requests."""
    with requests.Session() as session:
        session.trust_env = False
        own = (target.cert, target.key) if cert else None
        answer = session.get(
            target.url, verify=target.ca if verify else False, cert=own, allow_redirects=follow, timeout=PATIENCE
        )
        assert 200 == answer.status_code or not follow


def sound(target: ClientTarget) -> None:
    fetch(target)


def shows_it_to_anybody(target: ClientTarget) -> None:
    """Does not look at the server's certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(target.cert, target.key)
    with (
        socket.create_connection((target.address, target.port), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=target.host) as sock,
    ):
        sock.sendall(target.request)
        sock.recv(65536)


def tries_without(target: ClientTarget) -> None:
    """Comes again without its certificate when that is rejected."""
    try:
        fetch(target)
    except requests.RequestException:
        fetch(target, cert=False)


def follows(target: ClientTarget) -> None:
    """Follows a redirect, with its certificate."""
    fetch(target, follow=True)


def falls_back(target: ClientTarget, *, ended_by: type[OSError] = OSError) -> None:
    """Comes again with TLS 1.2 alone where its handshake fails in this way."""
    try:
        talk(target, own_context(target))
    except ended_by:
        context = own_context(target)
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        talk(target, context)


def own_context(target: ClientTarget) -> ssl.SSLContext:
    """A context as a sound client has it."""
    context = ssl.create_default_context(cafile=target.ca)
    context.load_cert_chain(target.cert, target.key)
    return context


def talk(target: ClientTarget, context: ssl.SSLContext, session: ssl.SSLSession | None = None) -> ssl.SSLSession | None:
    """Send the request and read the answer; the session to resume later."""
    with (
        socket.create_connection((target.address, target.port), PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname=target.host, session=session) as sock,
    ):
        sock.sendall(target.request)
        while sock.recv(65536):
            pass
        return sock.session


class Resumes:
    """Keeps a session of each server, whatever certificate it was begun with."""

    def __init__(self, versions: tuple[str, ...] = TLS_VERSIONS, *, by_certificate: bool = False) -> None:
        self.resumed = 0
        self._versions = versions
        self._by_certificate = by_certificate
        self._kept: dict[object, tuple[ssl.SSLContext, ssl.SSLSession | None]] = {}

    def __call__(self, target: ClientTarget) -> None:
        if target.tls not in self._versions:
            talk(target, own_context(target))
            return
        key = (target.port, target.cert) if self._by_certificate else target.port
        context, session = self._kept.get(key, (own_context(target), None))
        context.load_cert_chain(target.cert, target.key)
        self.resumed += session is not None
        self._kept[key] = context, talk(target, context, session)


class KeepsConnection:
    """Keeps one connection to each server, and asks over it, whatever certificate it is given."""

    def __init__(self) -> None:
        self._kept: dict[int, requests.Session] = {}

    def __call__(self, target: ClientTarget) -> None:
        if target.port not in self._kept:
            self._kept[target.port] = requests.Session()
            self._kept[target.port].trust_env = False
            self._kept[target.port].cert = (target.cert, target.key)
            self._kept[target.port].verify = target.ca
        assert 200 == self._kept[target.port].get(target.url, timeout=PATIENCE).status_code

    def close(self) -> None:
        """End the connections."""
        for session in self._kept.values():
            session.close()


AFTER_REJECTION = "no-certificate-after-rejection"
PRINTS_ITS_KEY = [
    *(
        sys.executable,
        "-c",
        "import subprocess, sys; print(open(sys.argv[1]).read()); sys.exit(subprocess.call(sys.argv[2:]))",
    ),
    "{key}",
    *CURL,
]
BAD: dict[str, ClientArgument] = {
    "certificate-before-trust": shows_it_to_anybody,
    "no-certificate-after-rejection": tries_without,
    "certificate-to-another-host": follows,
    "no-older-version": falls_back,
    "session-of-another-certificate": Resumes(),
    "key-in-output": PRINTS_ITS_KEY,
}
CANNOT_BE_ASKED = {("requests", "key-in-output")}


@pytest.fixture
def ca() -> Iterator[CertificateAuthority]:
    authority = CertificateAuthority.create()
    yield authority
    authority.remove_files()


@contextmanager
def under_test(client: ClientArgument, ca: CertificateAuthority) -> Iterator[ClientUnderTest]:
    with ClientUnderTest(client, ca=ca, timeout=PATIENCE) as running:
        yield running


def found(client: ClientArgument, ca: CertificateAuthority, name: str, policy: Policy | None = None) -> CheckResult:
    """What a check makes of a client."""
    with under_test(client, ca) as running:
        return check_client(running, policy or Policy(), name)


def test_every_check_has_a_bad_client() -> None:
    """None is left out below."""
    assert list(BAD) == list(CHECKS)


@pytest.mark.parametrize("name", BAD)
@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_bad_client(ca: CertificateAuthority, name: str) -> None:
    """It is found out, with a story that names the check."""
    require_program("curl", apt="curl")
    result = found(BAD[name], ca, name)
    expected = Outcome.REPORTED if CHECKS[name].tier == "informative" else Outcome.DEVIATES
    assert expected is result.outcome, result
    assert CHECKS[name].title in result.story()
    assert "client" == result.facts()["theme"]


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("client", ["requests", "curl"])
def test_sound_client(ca: CertificateAuthority, name: str, client: str) -> None:
    """It passes each, or cannot be asked, and the note says why."""
    require_program("curl", apt="curl")
    result = found(sound if client == "requests" else CURL, ca, name)
    if (client, name) in CANNOT_BE_ASKED:
        assert (Outcome.LEFT_OUT, True) == (result.outcome, result.note.startswith("not applicable: ")), result
    else:
        assert Outcome.CONFORMS is result.outcome, result


@pytest.mark.parametrize(
    ("ending", "error"), [("alert", ssl.SSLError), ("close", ssl.SSLEOFError), ("reset", ConnectionResetError)]
)
def test_each_way_of_falling_back(ca: CertificateAuthority, ending: str, error: type[OSError]) -> None:
    """A client may fall back after one ending of its handshake alone; what it offered then is told."""
    result = found(partial(falls_back, ended_by=error), ca, "no-older-version")
    assert (Outcome.DEVIATES, "TLS 1.2") == (result.outcome, result.seen), result
    assert result.handshake is not None
    assert [0x0303] == [max(versions_offered(hello)) for hello in result.handshake.transcript]


@pytest.mark.parametrize("ending", ["alert", "close", "reset"])
def test_going_on_without_tls(ca: CertificateAuthority, ending: str) -> None:
    """A client whose handshake is cut may say in the clear what it could not say over TLS."""
    errors = {"alert": ssl.SSLError, "close": ssl.SSLEOFError, "reset": ConnectionResetError}

    def without_tls(target: ClientTarget) -> None:
        try:
            talk(target, own_context(target))
        except OSError as error:
            if type(error) is errors[ending]:
                with socket.create_connection((target.address, target.port), PATIENCE) as sock:
                    sock.sendall(target.request)
            raise

    result = found(without_tls, ca, "no-older-version")
    assert (Outcome.DEVIATES, "no TLS") == (result.outcome, result.seen), result
    assert result.note.endswith("and the client came again without TLS")


def test_client_that_remembers_what_failed(ca: CertificateAuthority) -> None:
    """A client in this process may offer less only when it is called again."""
    failed: set[int] = set()

    def client(target: ClientTarget) -> None:
        context = own_context(target)
        if target.port in failed:
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        failed.add(target.port)
        talk(target, context)
        failed.remove(target.port)

    assert Outcome.DEVIATES is found(client, ca, "no-older-version").outcome


@pytest.mark.parametrize("tls", TLS_VERSIONS)
def test_coming_again_over_each_version(ca: CertificateAuthority, tls: str) -> None:
    """A client may come again without its certificate over one version alone."""
    result = found(lambda target: (tries_without if target.tls == tls else fetch)(target), ca, AFTER_REJECTION)
    assert (Outcome.DEVIATES, True) == (result.outcome, f"over TLS {tls}" in result.note), result


def test_client_that_shows_no_certificate(ca: CertificateAuthority) -> None:
    """One that shows none in the first place does not come again: it cannot be asked."""
    calls: list[str] = []

    def shows_none(target: ClientTarget) -> None:
        calls.append(target.tls)
        fetch(target, cert=len(calls) == 1)  # the first call is the one that shows whether the client works

    result = found(shows_none, ca, AFTER_REJECTION)
    assert (Outcome.LEFT_OUT, True) == (result.outcome, "shows no certificate" in result.note), result


def test_client_that_comes_again_with_the_same_offer(ca: CertificateAuthority) -> None:
    """To try again is not a downgrade."""

    def tries_twice(target: ClientTarget) -> None:
        try:
            fetch(target)
        except requests.RequestException:
            fetch(target)

    assert Outcome.CONFORMS is found(tries_twice, ca, "no-older-version").outcome


@pytest.mark.parametrize("tls", TLS_VERSIONS)
def test_session_of_each_version(ca: CertificateAuthority, tls: str) -> None:
    """A session of the first certificate is found out over either version; one for each certificate is sound."""
    result = found(Resumes((tls,)), ca, "session-of-another-certificate")
    assert (Outcome.DEVIATES, "resumed") == (result.outcome, result.seen), result
    assert result.note.endswith(f"of the earlier one, over TLS {tls}")
    assert result.handshake is not None
    assert result.handshake.resumed
    assert Outcome.CONFORMS is found(Resumes(by_certificate=True), ca, "session-of-another-certificate").outcome


@pytest.mark.parametrize("tls", TLS_VERSIONS)
def test_program_that_keeps_sessions_in_a_file(ca: CertificateAuthority, tls: str, tmp_path: Path) -> None:
    """Each call is a process of its own, and one may take over the session of another."""
    require_program("openssl", apt="openssl")
    s_client = (
        "openssl s_client -quiet -connect {address}:{port} -servername {host} -verify_return_error "
        "-CAfile {ca} -cert {cert} -key {key}"
    )
    kept = f"test {{tls}} = {tls} && test -s {tmp_path}/{{port}} && set -- -sess_in {tmp_path}/{{port}}"
    keeps = ["sh", "-c", f'{kept}; exec {s_client} -sess_out {tmp_path}/{{port}} "$@"']
    result = found(keeps, ca, "session-of-another-certificate")
    assert (Outcome.DEVIATES, "resumed") == (result.outcome, result.seen), result
    assert result.note.endswith(f"of the earlier one, over TLS {tls}")
    assert Outcome.CONFORMS is found(s_client, ca, "session-of-another-certificate").outcome


def test_connection_of_another_certificate(ca: CertificateAuthority) -> None:
    """A request over the connection of the earlier certificate is one of the earlier client."""
    client = KeepsConnection()
    try:
        result = found(client, ca, "session-of-another-certificate")
    finally:
        client.close()
    assert (Outcome.DEVIATES, "same connection") == (result.outcome, result.seen), result


def test_client_with_a_certificate_of_its_own(ca: CertificateAuthority) -> None:
    """One that presents the same whatever it is told cannot be asked."""
    own = ca.issue_client("own")

    def ours(target: ClientTarget) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.get(target.url, verify=target.ca, cert=(own.cert_path, own.key_path), timeout=PATIENCE)

    result = found(ours, ca, "session-of-another-certificate")
    assert (Outcome.LEFT_OUT, True) == (result.outcome, "does not present another" in result.note), result


@pytest.mark.parametrize(
    "command",
    ["pkey -text -noout", "pkey -traditional", "pkcs8 -topk8 -nocrypt -outform DER | openssl base64 -A"],
    ids=["hexadecimal", "SEC1", "one line"],
)
def test_key_in_another_form(ca: CertificateAuthority, command: str) -> None:
    """The key is found in whatever form it is printed."""
    require_program("curl", apt="curl")
    require_program("openssl", apt="openssl")
    first, _, rest = command.partition(" ")
    client = ["sh", "-c", f'openssl {first} -in "$0" {rest}; exec "$@"', "{key}", *CURL]
    assert Outcome.DEVIATES is found(client, ca, "key-in-output").outcome


def test_key_printed_only_when_the_server_rejects(ca: CertificateAuthority) -> None:
    """What is said of an alert is searched, too."""
    require_program("curl", apt="curl")
    client = ["sh", "-c", '"$@"; code=$?; test $code = 0 -o $code = 60 || cat "$0"; exit $code', "{key}", *CURL]
    assert Outcome.DEVIATES is found(client, ca, "key-in-output").outcome


def test_client_that_prints_too_much_to_be_searched(ca: CertificateAuthority) -> None:
    """Nothing is said of what was not looked at."""
    require_program("curl", apt="curl")
    client = ["sh", "-c", '"$@" || { yes | head -c 3000000; exit 1; }', "-", *CURL]
    result = found(client, ca, "key-in-output")
    assert (Outcome.LEFT_OUT, True) == (result.outcome, "prints more than is searched" in result.note), result


def test_exception(ca: CertificateAuthority) -> None:
    """What is agreed is not a failure, and what is agreed and no longer so is one."""
    agreed = Policy(
        exceptions=(ExpectedException("check[no-certificate-after-rejection]", "accepted", "agreed", None),)
    )
    assert Outcome.EXCEPTED is found(tries_without, ca, "no-certificate-after-rejection", agreed).outcome
    assert Outcome.EXCEPTION_GONE is found(sound, ca, "no-certificate-after-rejection", agreed).outcome


def test_client_that_does_not_work(ca: CertificateAuthority) -> None:
    """A client that reaches nobody cannot be asked, and the note says why."""
    result = found(lambda target: None, ca, "key-in-output")
    assert (Outcome.LEFT_OUT, True) == (result.outcome, bool(result.note))
