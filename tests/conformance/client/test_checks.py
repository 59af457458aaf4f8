"""Named checks of a client: each is passed by a sound client, and fails for one that is bad on purpose in that way."""

from __future__ import annotations

import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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
    "key-in-output": PRINTS_ITS_KEY,
}


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
    """It passes each, or cannot be asked: what a callable prints is not known."""
    require_program("curl", apt="curl")
    result = found(sound if client == "requests" else CURL, ca, name)
    cannot = client == "requests" and name == "key-in-output"
    assert (Outcome.LEFT_OUT if cannot else Outcome.CONFORMS) is result.outcome, result


def test_exception(ca: CertificateAuthority) -> None:
    """What is agreed is no failure, and what is agreed and no longer so is one."""
    agreed = Policy(
        exceptions=(ExpectedException("check[no-certificate-after-rejection]", "accepted", "agreed", None),)
    )
    assert Outcome.EXCEPTED is found(tries_without, ca, "no-certificate-after-rejection", agreed).outcome
    assert Outcome.EXCEPTION_GONE is found(sound, ca, "no-certificate-after-rejection", agreed).outcome


def test_client_that_does_not_work(ca: CertificateAuthority) -> None:
    """A client that reaches nobody cannot be asked, and the note says why."""
    result = found(lambda target: None, ca, "key-in-output")
    assert (Outcome.LEFT_OUT, True) == (result.outcome, bool(result.note))
