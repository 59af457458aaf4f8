"""pytest-mtls: mutual TLS in tests. Certificates, servers, bad peers, and assertions that say why.

Importing this package imports nothing else: each public name is loaded when it is first used, so that the pytest plugin
costs nothing where it is not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_mtls import aio, clients
    from pytest_mtls.cases import Case, Tier, case
    from pytest_mtls.cases.behaviour import ClientBehaviour, ServerBehaviour
    from pytest_mtls.certificates.authority import CertificateAuthority
    from pytest_mtls.certificates.identity import Identity
    from pytest_mtls.certificates.key import KeyKind
    from pytest_mtls.certificates.rollover import RollOverStep, TrustRollOver
    from pytest_mtls.certificates.rotating import RotatingFiles
    from pytest_mtls.certificates.signing_request import CertificateSigningRequest, SigningPolicy
    from pytest_mtls.client.endpoint import Endpoint
    from pytest_mtls.client.probe import probe
    from pytest_mtls.client.protocols import Answer, register_protocol
    from pytest_mtls.conformance.client.observation import Observation
    from pytest_mtls.conformance.client.target import ClientTarget
    from pytest_mtls.conformance.client.under_test import ClientUnderTest, launch_client
    from pytest_mtls.errors import HandshakeAssertionError, MtlsError, SigningRequestRefused
    from pytest_mtls.plugin import client_cases, run_ca, server_cases
    from pytest_mtls.proxies import (
        ForwardedClient,
        asgi_scope,
        forwarded_headers,
        parse_forwarded_headers,
        wsgi_environ,
    )
    from pytest_mtls.reasons.alert import Alert
    from pytest_mtls.reasons.reason import Reason
    from pytest_mtls.reasons.verdict import Verdict
    from pytest_mtls.server.asgi import asgi_app
    from pytest_mtls.server.crl import CRLServer
    from pytest_mtls.server.est import ESTRequest, ESTServer
    from pytest_mtls.server.launch import LaunchedServer, launch
    from pytest_mtls.server.ocsp import OCSPQuery, OCSPResponder
    from pytest_mtls.server.server import MutualTLSServer
    from pytest_mtls.tls.handshake import Handshake
    from pytest_mtls.verdict.assertions import assert_accepted, assert_rejected
    from pytest_mtls.verdict.expiry import assert_expires_after
    from pytest_mtls.verdict.rotation import Rotation, assert_rotates

__all__ = [
    "Alert",
    "Answer",
    "CRLServer",
    "Case",
    "CertificateAuthority",
    "CertificateSigningRequest",
    "ClientBehaviour",
    "ClientTarget",
    "ClientUnderTest",
    "ESTRequest",
    "ESTServer",
    "Endpoint",
    "ForwardedClient",
    "Handshake",
    "HandshakeAssertionError",
    "Identity",
    "KeyKind",
    "LaunchedServer",
    "MtlsError",
    "MutualTLSServer",
    "OCSPQuery",
    "OCSPResponder",
    "Observation",
    "Reason",
    "RollOverStep",
    "RotatingFiles",
    "Rotation",
    "ServerBehaviour",
    "SigningPolicy",
    "SigningRequestRefused",
    "Tier",
    "TrustRollOver",
    "Verdict",
    "aio",
    "asgi_app",
    "asgi_scope",
    "assert_accepted",
    "assert_expires_after",
    "assert_rejected",
    "assert_rotates",
    "case",
    "client_cases",
    "clients",
    "forwarded_headers",
    "launch",
    "launch_client",
    "parse_forwarded_headers",
    "probe",
    "register_protocol",
    "run_ca",
    "server_cases",
    "wsgi_environ",
]

_HOMES = {
    "Alert": "reasons.alert",
    "Answer": "client.protocols",
    "CRLServer": "server.crl",
    "Case": "cases",
    "CertificateAuthority": "certificates.authority",
    "CertificateSigningRequest": "certificates.signing_request",
    "ClientBehaviour": "cases.behaviour",
    "ClientTarget": "conformance.client.target",
    "ClientUnderTest": "conformance.client.under_test",
    "ESTRequest": "server.est",
    "ESTServer": "server.est",
    "Endpoint": "client.endpoint",
    "ForwardedClient": "proxies",
    "Handshake": "tls.handshake",
    "HandshakeAssertionError": "errors",
    "Identity": "certificates.identity",
    "KeyKind": "certificates.key",
    "LaunchedServer": "server.launch",
    "MtlsError": "errors",
    "MutualTLSServer": "server.server",
    "OCSPQuery": "server.ocsp",
    "OCSPResponder": "server.ocsp",
    "Observation": "conformance.client.observation",
    "Reason": "reasons.reason",
    "RollOverStep": "certificates.rollover",
    "RotatingFiles": "certificates.rotating",
    "Rotation": "verdict.rotation",
    "ServerBehaviour": "cases.behaviour",
    "SigningPolicy": "certificates.signing_request",
    "SigningRequestRefused": "errors",
    "Tier": "cases",
    "TrustRollOver": "certificates.rollover",
    "Verdict": "reasons.verdict",
    "aio": "aio",
    "asgi_app": "server.asgi",
    "asgi_scope": "proxies",
    "assert_accepted": "verdict.assertions",
    "assert_expires_after": "verdict.expiry",
    "assert_rejected": "verdict.assertions",
    "assert_rotates": "verdict.rotation",
    "case": "cases",
    "client_cases": "plugin",
    "forwarded_headers": "proxies",
    "clients": "clients",
    "launch": "server.launch",
    "launch_client": "conformance.client.under_test",
    "parse_forwarded_headers": "proxies",
    "probe": "client.probe",
    "register_protocol": "client.protocols",
    "run_ca": "plugin",
    "server_cases": "plugin",
    "wsgi_environ": "proxies",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOMES[name]
    module = import_module(f"{__name__}.{home}")
    value = globals()[name] = module if name == home else getattr(module, name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
