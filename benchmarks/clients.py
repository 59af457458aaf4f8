"""Full runs of a client against every server case over both TLS versions: `requests` in this process, and curl.

The peer is the same client called as often for one good server, so that the ratio says what a run costs beside the calls.
The seconds are printed too: the bounds on them are for two cores.
"""

from __future__ import annotations

import shutil
import time

import requests

from pytest_mtls import CertificateAuthority
from pytest_mtls.conformance.client.call import ClientArgument
from pytest_mtls.conformance.client.run import ClientRun
from pytest_mtls.conformance.client.target import ClientTarget
from pytest_mtls.conformance.client.under_test import launch_client

CURL = ["curl", "-s", "--cacert", "{ca}", "--cert", "{cert}", "--key", "{key}"]
CURL += ["--resolve", "{host}:{port}:{address}", "{url}"]


def use_requests(target: ClientTarget) -> None:
    """One request."""
    requests.get(target.url, cert=(target.cert, target.key), verify=target.ca, timeout=5).raise_for_status()


def run(name: str, client: ClientArgument, bound: float) -> None:
    """Print how long the whole run takes, and how often it calls the client."""
    ca = CertificateAuthority.create()
    with launch_client(client, ca=ca) as under_test:
        started = time.perf_counter()
        results = list(ClientRun(under_test).check_all())
        whole = time.perf_counter() - started
    calls = [one for one in results if one.observation is not None]
    with launch_client(client, ca=ca) as under_test:
        started = time.perf_counter()
        for _ in calls:
            under_test.observe(tls="1.3")
        good = time.perf_counter() - started
    verdict = "within" if whole <= bound else "ABOVE"
    print(
        f"{name}: {len(results)} checks in {whole:.2f} s ({verdict} the bound of {bound:g} s), "
        f"{whole / good:.2f} of as many calls for a good server"
    )


if __name__ == "__main__":
    run("requests", use_requests, 4)
    if shutil.which("curl"):
        run("curl", CURL, 30)
