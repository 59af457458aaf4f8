"""A root CA is replaced under real servers, and each step takes exactly whom a correct peer takes."""

from __future__ import annotations

import pytest
from support.rotating_servers import ROTATING

from pytest_mtls import CertificateAuthority, Reason, TrustRollOver, assert_accepted, assert_rejected, assert_rotates

#: The plain suite has nginx, and the slow tests the others that take up a new CA bundle and reject nobody meanwhile.
SERVERS = ["nginx", "Apache httpd", "HAProxy", "Go, GetConfigForClient", "PostgreSQL", "Redis", "gunicorn"]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name == "nginx" else pytest.mark.slow) for name in SERVERS]
)
def test_server_goes_through_a_roll_over(name: str) -> None:
    """Its CA bundle is rotated from the old root to both and to the new one; nobody who is safe to present is rejected."""
    roll_over = TrustRollOver(CertificateAuthority.create("Example CA"))
    trust = roll_over["both"].trust
    with ROTATING[name].start(roll_over.old, roll_over.servers["new-with-cross"]) as running:
        endpoint, before = running.server.endpoint, roll_over["old"]
        for kind in before.accepted:
            assert_accepted(endpoint, before.clients[kind], trust=trust)
        for kind in before.rejected:
            assert_rejected(endpoint, before.clients[kind], Reason.UNKNOWN_CA, trust=trust)
        for next_step in ("both", "new"):
            step = roll_over[next_step]
            assert_rotates(
                endpoint,
                running.files,
                reload=running.reload,
                client=step.clients["new-with-cross"],
                trust=trust,
                bundle=step.bundle,
                accepts=[step.clients[kind] for kind in step.accepted],
                rejects=[step.clients[kind] for kind in step.rejected],
                half_way=False,
            )
    roll_over.old.remove_files()
    roll_over.new.remove_files()
