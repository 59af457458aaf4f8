"""The part of the plugin that a client under test needs: registered when ``--mtls-client`` is given, and not before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_mtls.certificates.authority import CertificateAuthority
from pytest_mtls.conformance.client.checks import CHECKS
from pytest_mtls.conformance.client.run import ClientRun, client_checks
from pytest_mtls.conformance.client.under_test import ClientUnderTest
from pytest_mtls.conformance.collected import COLLECTED, Collected, read_baseline
from pytest_mtls.conformance.offers import check_id
from pytest_mtls.conformance.policy import Policy, read_policy
from pytest_mtls.conformance.reports import check_report_path
from pytest_mtls.conformance.target import read_authority
from pytest_mtls.errors import InvalidOption, MtlsError
from pytest_mtls.reasons.settings import STAPLE

__all__ = ["client_under_test", "set_up"]

_PACKAGE = "pytest_mtls.conformance"
_SECONDS = 10.0


@dataclass(frozen=True)
class _Given:
    """What the options say.

    Attributes:
        command: the client.
        ca: the CA that it trusts, if it is given.
        timeout: seconds for each call.
        rate: calls a second, at most, in this process.
        policy: what is agreed of it.
    """

    command: str
    ca: CertificateAuthority | None
    timeout: float
    rate: float | None
    policy: Policy

    def client(self, ca: CertificateAuthority | None = None) -> ClientUnderTest:
        ocsp = "ocsp" in self.policy.settings
        staple = STAPLE in self.policy.settings
        how: dict[str, Any] = {"timeout": self.timeout, "rate": self.rate, "ocsp": ocsp, "staple": staple}
        return ClientUnderTest(self.command, ca=self.ca or ca, **how)


_GIVEN = pytest.StashKey[_Given]()


def set_up(config: pytest.Config) -> None:
    """Read the options.

    Raises:
        pytest.UsageError: one of them cannot be.
    """
    option = config.getoption
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    try:
        ca = read_authority(option("mtls_ca"), option("mtls_ca_key"))
        if ca is not None and ca.private_key is None:
            raise InvalidOption("--mtls-ca", "the CA's private key is needed to issue the servers: give --mtls-ca-key")
        pyproject = config.rootpath / "pyproject.toml"
        settings = option("mtls_setting") or ()
        policy = read_policy(option("mtls_policy"), pyproject, settings, client_checks=tuple(CHECKS))
        rate = option("mtls_rate")
        seconds = option("mtls_client_timeout") or _SECONDS
        given = _Given(option("mtls_client"), ca, seconds, rate and rate / workers, policy)
        given.client()
        for path in option("mtls_report") or ():
            check_report_path(path)
        baseline = read_baseline(option("mtls_baseline"), update=option("mtls_baseline_update"))
    except MtlsError as error:
        raise pytest.UsageError(str(error)) from error
    except OSError as error:
        raise pytest.UsageError(f"{error.filename}: {error.strerror}") from error
    config.stash[_GIVEN] = given
    order = [*((case.id, tls) for case, tls in client_checks()), *((check_id(name), "-") for name in CHECKS)]
    config.pluginmanager.register(Collected(config, given.command, policy, order, baseline), COLLECTED)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """End a run of the conformance tests before it begins with a client that does not reach a good server."""
    config = session.config
    is_ours = any(str(argument).startswith(_PACKAGE) for argument in config.args)
    if not is_ours or config.getoption("collectonly") or hasattr(config, "workerinput"):
        return
    try:
        with config.stash[_GIVEN].client() as client:
            client.check_usable()
    except MtlsError as error:
        raise pytest.UsageError(f"--mtls-client: {error}") from None


def client_under_test(config: pytest.Config, ca: CertificateAuthority) -> ClientUnderTest:
    """The client that the options name.

    Args:
        config: pytest's.
        ca: the CA that it trusts, where no option names one.
    """
    return config.stash[_GIVEN].client(ca)


@pytest.fixture(scope="session")
def mtls_client_conformance(pytestconfig: pytest.Config) -> Iterator[ClientRun]:
    """The `ClientRun` of the client under test."""
    given = pytestconfig.stash[_GIVEN]
    with given.client() as client:
        yield ClientRun(client, given.policy)


def pytest_report_header(config: pytest.Config) -> str:
    """Say what is tested."""
    given = config.stash[_GIVEN]
    claimed = ", ".join(sorted(given.policy.settings)) or "none"
    return f"mtls client: {given.command}; settings that it claims: {claimed}"
