"""How `bank.BankClient` is tested: a real server, real certificates, real rejections."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bank import BankClient, BankUnreachable

from pytest_mtls import Case, CertificateAuthority, Identity, MutualTLSServer, Reason, assert_rejected, client_cases

Dial = Callable[[MutualTLSServer, "Identity | None"], BankClient]


@pytest.fixture
def dial(mtls_ca: CertificateAuthority) -> Dial:
    """Makes a `BankClient` for a server, with somebody's certificate."""

    def dial(server: MutualTLSServer, who: Identity | None) -> BankClient:
        cert, key = (who.cert_path, who.key_path) if who is not None else (None, None)
        return BankClient(server.url, cert, key, mtls_ca.cert_path)

    return dial


def test_bank_knows_us(mtls_server: MutualTLSServer, mtls_client_cert: Identity, dial: Dial) -> None:
    """With a good certificate the bank knows who we are."""
    assert dial(mtls_server, mtls_client_cert).whoami()["subject"] == "CN=client"


def test_our_own_certificate_is_presented(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, dial: Dial
) -> None:
    """The certificate that arrives is ours, and no other."""
    alice = mtls_ca.issue_client("alice")
    with mtls_server.expect_accepted(client=alice):
        dial(mtls_server, alice).whoami()


@pytest.mark.parametrize("case", client_cases("expired", "untrusted-ca", "stolen-certificate", "no-certificate"))
def test_client_survives_refusal(
    mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, dial: Dial, case: Case
) -> None:
    """When the bank rejects us, we raise our own error and nothing else."""
    with mtls_server.expect_rejected(case.reason), pytest.raises(BankUnreachable):
        dial(mtls_server, case.identity(mtls_ca)).whoami()


def test_client_refuses_every_bad_bank(
    mtls_server_factory: Callable[..., MutualTLSServer], mtls_client_cert: Identity, dial: Dial, mtls_server_case: Case
) -> None:
    """We talk to no bank that is not ours."""
    impostor = mtls_server_factory(cert=mtls_server_case)
    with impostor.expect_rejected(mtls_server_case.reason, by="client"):
        dial(impostor, mtls_client_cert).whoami()


def test_bank_refuses_every_bad_client(mtls_target: MutualTLSServer, mtls_client_case: Case) -> None:
    """The bank lets no bad client in."""
    assert_rejected(mtls_target, mtls_client_case)


def test_revoked_today(mtls_server: MutualTLSServer, mtls_ca: CertificateAuthority, dial: Dial) -> None:
    """A certificate works until it is revoked, and its replacement works after that."""
    alice = mtls_ca.issue_client("alice")
    assert dial(mtls_server, alice).whoami()["subject"] == "CN=alice"
    mtls_ca.revoke(alice)
    with mtls_server.expect_rejected(Reason.REVOKED):
        dial(mtls_server, alice).whoami()
    assert dial(mtls_server, mtls_ca.renew(alice)).whoami()["subject"] == "CN=alice"
