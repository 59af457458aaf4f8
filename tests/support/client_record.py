"""What real clients make of every bad server: recorded in client_record.json, from which the documentation is made.

``python tests/support/client_record.py [CLIENT ...]`` records anew what this machine's clients do.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.client_programs import server_case
from support.client_sources import SOURCES
from support.generated_pages import DOCS, replace_generated_part
from support.real_clients import CLIENTS, RealClient, policy_of

from pytest_mtls import CertificateAuthority
from pytest_mtls.conformance.client.run import ClientResult, ClientRun
from pytest_mtls.conformance.run import Outcome

__all__ = ["PAGE", "TWIN_CASES", "as_markdown", "failures", "recorded", "run_of", "twin_results"]

RECORD = Path(__file__).with_name("client_record.json")
PAGE = DOCS / "reference" / "client-programs.md"

#: Servers that a client which verifies anything rejects: its twin is asked for these.
TWIN_CASES = ("expired", "untrusted-ca", "wrong-host", "client-only")


def run_of(client: RealClient, ca: CertificateAuthority) -> list[ClientResult]:
    """The whole catalogue of servers, over both versions."""
    with client.under_test(ca) as under_test:
        return list(ClientRun(under_test, policy_of(client)).check_all())


def failures(results: Collection[ClientResult]) -> list[str]:
    """The stories of what a client does and should not, and of what is agreed and no longer so."""
    return [f"{one.case.id} over TLS {one.tls}: {one.story()}" for one in results if one.outcome.is_failure]


def twin_results(client: RealClient, ca: CertificateAuthority) -> dict[str, Outcome]:
    """What the twin that verifies nothing makes of some bad servers."""
    with client.under_test(ca, is_twin=True) as under_test:
        run = ClientRun(under_test)
        return {id: run.check(server_case(id), "1.3").outcome for id in TWIN_CASES}


def recorded() -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return rows


def record(names: Collection[str]) -> None:
    """Run all clients, or some, and write down what they do."""
    rows = recorded() if RECORD.exists() else {}
    for name in names or CLIENTS:
        ca = CertificateAuthority.create()
        results = run_of(CLIENTS[name], ca)
        for story in failures(results):
            sys.stderr.write(f"{name}: {story}\n")
        counted = Counter(one.outcome.value for one in results)
        twin = {id: outcome.value for id, outcome in twin_results(CLIENTS[name], ca).items()}
        rows[name] = {"outcomes": dict(sorted(counted.items())), "twin": twin}
        ca.remove_files()
        sys.stderr.write(f"{name}: {rows[name]}\n")
    ordered = {name: rows[name] for name in CLIENTS if name in rows}
    RECORD.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def as_markdown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The clients, what was seen, and how each is made to verify nothing; then each deviation with its reason."""
    lines = [
        "| client | TLS library | as expected | agreed deviations | left out | verifies nothing with | is then found out by |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        client, counted = CLIENTS[name], row["outcomes"]
        found = ", ".join(f"`{id}`" for id, outcome in row["twin"].items() if outcome == Outcome.DEVIATES.value)
        lines.append(
            f"| {name} | {client.stack} | {counted.get(Outcome.CONFORMS.value, 0)} | {counted.get(Outcome.EXCEPTED.value, 0)} | "
            f"{counted.get(Outcome.LEFT_OUT.value, 0)} | {client.mistake} | {found} |"
        )
    lines += [
        "",
        "## Deviations",
        "",
        "| client | does | servers | why | where this is from |",
        "|---|---|---|---|---|",
    ]
    for name in rows:
        servers: dict[tuple[str, str], list[str]] = {}
        for key, (seen, why) in CLIENTS[name].deviations.items():
            servers.setdefault((seen, why), []).append(f"`{key}`")
        for (seen, why), those in servers.items():
            does = "accepts" if seen == "accepted" else "rejects"
            lines.append(f"| {name} | {does} | {', '.join(those)} | {why} | {SOURCES.get(why, '')} |")
    notes = [f"- {name}: {note}" for name in rows for note in CLIENTS[name].notes]
    return "\n".join([*lines, "", "## Notes", "", *notes])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if "--page-only" not in sys.argv:
        record(sys.argv[1:])
    replace_generated_part(PAGE, as_markdown(recorded()))
