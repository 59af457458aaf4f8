"""Issuing a client certificate, against trustme."""

from __future__ import annotations

import trustme
from compare import compare

from pytest_mtls import CertificateAuthority

LEAVES = 100


def main() -> None:
    """Print the ratio."""
    ours, theirs = CertificateAuthority.create(), trustme.CA()

    def issue_ours() -> None:
        for _ in range(LEAVES):
            ours.issue_client("alice", sans=["alice.example"])

    def issue_theirs() -> None:
        for _ in range(LEAVES):
            theirs.issue_cert("alice.example", common_name="alice")

    def with_pem() -> None:
        for _ in range(LEAVES):
            _ = ours.issue_client("alice", sans=["alice.example"]).pem

    compare(f"{LEAVES} leaves, issue_client : trustme.CA.issue_cert", issue_ours, issue_theirs, rounds=30, bound=1)
    compare(f"{LEAVES} leaves as PEM, issue_client : trustme.CA.issue_cert", with_pem, issue_theirs, rounds=30, bound=1)


if __name__ == "__main__":
    main()
