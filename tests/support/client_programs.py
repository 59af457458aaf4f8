"""Commands of real clients, good ones and their twins that are bad on purpose."""

from __future__ import annotations

from pytest_mtls.cases import CATALOGUE, Case
from pytest_mtls.conformance.client.run import ClientRun
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.reasons.versions import TLS_VERSIONS

__all__ = ["CURL", "CURL_INSECURE", "client_outcomes", "server_case"]

CURL = [
    *("curl", "--silent", "--show-error", "--max-time", "5", "--noproxy", "*", "--resolve", "{host}:{port}:{address}"),
    *("--cacert", "{ca}", "--cert", "{cert}", "--key", "{key}", "{url}"),
]
CURL_INSECURE = [*CURL, "--insecure"]


def server_case(id: str) -> Case:
    """A server case by its id."""
    (case,) = CATALOGUE["server"].select([id])
    return case


def client_outcomes(run: ClientRun, *ids: str, tls: tuple[str, ...] = TLS_VERSIONS) -> dict[str, set[Outcome]]:
    """What some cases come to, over both versions."""
    return {id: {run.check(server_case(id), version).outcome for version in tls} for id in ids}
