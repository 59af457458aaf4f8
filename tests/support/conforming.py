"""What the tests of the conformance run share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest_mtls
from pytest_mtls import Endpoint, MutualTLSServer
from pytest_mtls.bypasses import BYPASSES
from pytest_mtls.cases import CATALOGUE, Case
from pytest_mtls.conformance.policy import SERVER_CHECKS, Policy
from pytest_mtls.conformance.run import Outcome, Run, checks
from pytest_mtls.reasons.settings import SETTINGS
from pytest_mtls.reasons.versions import TLS_VERSIONS

__all__ = ["ALL", "EVERYTHING", "case_of", "https", "outcomes"]

# Runs of pytest inside this process forget what they imported; see users_suite.
for _name in pytest_mtls.__all__:
    getattr(pytest_mtls, _name)
for _name in (
    "conformance.target",
    "conformance.hooks",
    "conformance.collected",
    "conformance.test_bypasses",
    "conformance.test_offers",
    "conformance.test_clients",
):
    import_module(f"pytest_mtls.{_name}")

#: How many tests there are.
ALL = len(list(checks())) + len(BYPASSES) + len(SERVER_CHECKS) + 1
#: All that our own server does.
EVERYTHING = Policy(frozenset(SETTINGS) - {"ocsp", "ocsp-hard", "policy"})


def case_of(id: str) -> Case:
    """A client case by its id."""
    (case,) = CATALOGUE["client"].select([id])
    return case


def https(server: MutualTLSServer, **known: Any) -> Endpoint:
    """The endpoint of a server of ours, as somebody else's."""
    return replace(server.endpoint, protocol="https", **known)


def outcomes(run: Run, *ids: str, tls: Sequence[str] = TLS_VERSIONS) -> dict[str, set[Outcome]]:
    """What some cases come to, over both versions."""
    return {id: {run.check(case_of(id), version).outcome for version in tls} for id in ids}
