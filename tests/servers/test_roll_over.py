"""A root CA is replaced under nginx, and each step takes exactly whom a correct peer takes."""

from __future__ import annotations

from support.rotating_servers import ROTATING

from pytest_mtls import CertificateAuthority, Reason, TrustRollOver, assert_accepted, assert_rejected, assert_rotates


def test_nginx_goes_through_a_roll_over() -> None:
    """Its CA bundle is rotated from the old root to both and to the new one; nobody who is safe to present is rejected."""
    roll_over = TrustRollOver(CertificateAuthority.create("Example CA"))
    trust = roll_over["both"].trust
    with ROTATING["nginx"].start(roll_over.old, roll_over.servers["new-with-cross"]) as nginx:
        endpoint, before = nginx.server.endpoint, roll_over["old"]
        for kind in before.accepted:
            assert_accepted(endpoint, before.clients[kind], trust=trust)
        for kind in before.rejected:
            assert_rejected(endpoint, before.clients[kind], Reason.UNKNOWN_CA, trust=trust)
        for name in ("both", "new"):
            step = roll_over[name]
            assert_rotates(
                endpoint,
                nginx.files,
                reload=nginx.reload,
                client=step.clients["new-with-cross"],
                trust=trust,
                bundle=step.bundle,
                accepts=[step.clients[kind] for kind in step.accepted],
                rejects=[step.clients[kind] for kind in step.rejected],
                half_way=False,
            )
    roll_over.old.remove_files()
    roll_over.new.remove_files()
