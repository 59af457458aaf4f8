"""Fixtures of a certificate's life over the wire: a responder and a CA's front door, stopped after each test."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_mtls import CertificateAuthority, ESTServer, OCSPResponder

__all__ = ["mtls_est", "mtls_ocsp"]


@pytest.fixture
def mtls_est(mtls_ca: CertificateAuthority) -> Iterator[ESTServer]:
    """A running `ESTServer` of ``mtls_ca``, for clients with a certificate of that CA, or with the password of ``client``.

    The password is ``mtls_est.users["client"]``.
    """
    from pytest_mtls import ESTServer

    with ESTServer(mtls_ca, users={"client": "first-enrolment"}) as server:
        yield server


@pytest.fixture
def mtls_ocsp(mtls_ca: CertificateAuthority) -> Iterator[OCSPResponder]:
    """A running `OCSPResponder` of ``mtls_ca`` and the CAs below it; ``mtls_ocsp.misbehaviour = "stale"`` spoils it."""
    from pytest_mtls import OCSPResponder

    with OCSPResponder(mtls_ca) as responder:
        yield responder
