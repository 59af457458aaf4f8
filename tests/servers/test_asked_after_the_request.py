"""A server that asks for the certificate only after the request: Apache httpd, by `SSLVerifyClient` for a location."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from support.real_servers import APACHE
from support.requirements import require_program

from pytest_mtls import (
    CertificateAuthority,
    HandshakeAssertionError,
    Identity,
    LaunchedServer,
    Reason,
    assert_accepted,
    assert_rejected,
    launch,
    probe,
)
from pytest_mtls.verdict.twins import own_der

_LOCATION = """
DocumentRoot {dir}
Alias /open {dir}/page.txt
Alias /protected {dir}/page.txt
<Location /protected>
    SSLVerifyClient require
</Location>
"""
BY_LOCATION = (
    APACHE.replace("/dev/stderr", "{dir}/error.log")
    .replace("SSLVerifyClient require\n", "")
    .replace("Redirect 204 /\n", _LOCATION)
)

#: Where the tests run as root, the pages have to be those of the account that Apache's processes have.
_ACCOUNT = "www-data" if os.name != "nt" and os.geteuid() == 0 else None


@pytest.fixture(scope="module")
def ca() -> Iterator[CertificateAuthority]:
    ca = CertificateAuthority.create()
    yield ca
    ca.remove_files()


@pytest.fixture(scope="module")
def apache(ca: CertificateAuthority) -> Iterator[LaunchedServer]:
    """Apache that requires a certificate for one location alone."""
    command = [str(require_program("apache2", apt="apache2")), "-f", "{dir}/httpd.conf", "-DFOREGROUND"]
    with launch(
        command, files={"httpd.conf": BY_LOCATION, "page.txt": "a page"}, ca=ca, path="/protected", run_as=_ACCOUNT
    ) as running:
        yield running


def expired(ca: CertificateAuthority) -> Identity:
    return ca.issue_client("alice", not_before=-10, not_after=-1)


def unknown(ca: CertificateAuthority) -> Identity:
    return CertificateAuthority.create("another CA").issue_client("alice")


def stranger(ca: CertificateAuthority) -> None:
    """Who has no certificate."""


def test_good_client_is_accepted_after_the_request(apache: LaunchedServer, ca: CertificateAuthority, tls: str) -> None:
    """The certificate is asked for after Finished, sent, and the answer is the verdict."""
    client = ca.issue_client("alice")
    seen = assert_accepted(apache.endpoint, client, tls=tls)
    assert (True, "HTTP 200") == (seen.accepted, seen.answer)
    assert own_der(client) == seen.sent_chain_der[0]
    names = [message.name for message in seen.transcript]
    assert (
        names.index("Finished")
        < names.index("CertificateRequest")
        < names.index("Certificate", names.index("CertificateRequest"))
    )


@pytest.mark.parametrize(
    ("make", "reason"),
    [(expired, Reason.EXPIRED), (unknown, Reason.UNKNOWN_CA), (stranger, Reason.NO_CERTIFICATE)],
)
def test_bad_client_is_rejected_after_the_request(
    apache: LaunchedServer,
    ca: CertificateAuthority,
    tls: str,
    make: Callable[[CertificateAuthority], Identity | None],
    reason: Reason,
) -> None:
    """It is rejected for its defect, after it was asked."""
    seen = assert_rejected(apache.endpoint, make(ca), reason, tls=tls)
    assert (False, "server") == (seen.accepted, seen.rejected_by)
    assert "CertificateRequest" in [message.name for message in seen.transcript]


def test_location_that_asks_for_nothing_lets_a_bad_client_in(
    apache: LaunchedServer, ca: CertificateAuthority, tls: str
) -> None:
    """The same server accepts anybody elsewhere, so that the location is what rejects."""
    endpoint = replace(apache.endpoint, path="/open")
    assert probe(endpoint, expired(ca), tls=tls).accepted
    with pytest.raises(HandshakeAssertionError):
        assert_rejected(endpoint, expired(ca), Reason.EXPIRED, tls=tls)
