"""What each real server makes of each client case: recorded in real_server_verdicts.json, from which the documentation is made.

``python tests/support/real_server_verdicts.py`` records anew what this machine's servers do.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.generated_pages import DOCS, replace_generated_part
from support.real_servers import SERVERS, policy_of

from pytest_mtls import CertificateAuthority
from pytest_mtls.conformance.run import Result, Run

RECORD = Path(__file__).with_name("real_server_verdicts.json")
PAGE = DOCS / "reference" / "servers.md"

#: By case: by server, the verdicts over TLS 1.2 and 1.3, as `verdict` has them.
Verdicts = Mapping[str, Mapping[str, str]]

IN, LEFT_OUT, UNDECIDED = "in", "-", "?"


def verdict(result: Result) -> str:
    """What one check came to: "in" for accepted, else the layer of the rejection; "-" for what could not be tried."""
    seen = result.handshake
    if seen is None or result.outcome.value == "left out":
        return LEFT_OUT
    return {True: IN, False: seen.layer or "?", None: UNDECIDED}[seen.accepted]


def by_case(results: Iterable[Result]) -> dict[str, str]:
    """The verdicts of one server: one, or those over TLS 1.2 and 1.3 where they differ."""
    each: dict[str, dict[str, str]] = {}
    for result in results:
        each.setdefault(result.case.id, {})[result.tls] = verdict(result)
    return {id: "/".join(dict.fromkeys(found[tls] for tls in sorted(found))) for id, found in each.items()}


def recorded() -> Verdicts:
    verdicts: Verdicts = json.loads(RECORD.read_text(encoding="utf-8"))
    return verdicts


def record() -> None:
    """Run all servers, and write down what they do."""
    ca, wrong_ca = CertificateAuthority.create(), CertificateAuthority.create()
    table: dict[str, dict[str, str]] = {}
    for name, server in SERVERS.items():
        with server.start(ca, wrong_ca) as running:
            for id, found in by_case(Run(running.endpoint, policy_of(server)).check_all()).items():
                table.setdefault(id, {})[name] = found
    lines = ",\n".join(f"{json.dumps(id)}: {json.dumps(row)}" for id, row in table.items())
    RECORD.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8")


def as_markdown(verdicts: Verdicts) -> str:
    """The servers with their notes, and the cases of which they think differently."""
    lines = []
    for server in SERVERS.values():
        notes = [*server.notes, *(f"The bypass `{id}` is found: {why}." for id, why in server.bypassed.items())]
        lines += [server.name, f": {' '.join(notes) or 'Nothing is special about it.'}", ""]
    differing = {id: row for id, row in verdicts.items() if len({_judged(found) for found in row.values()}) > 1}
    agreed = f"{len(verdicts) - len(differing)} of {len(verdicts)}"
    lines += [
        f"On {agreed} client cases all servers agree, whatever the layer. On these they differ:",
        "",
        f"| case | {' | '.join(SERVERS)} |",
        f"|---|{'---|' * len(SERVERS)}",
    ]
    for id, row in differing.items():
        lines.append(f"| `{id}` | {' | '.join(row[name] for name in SERVERS)} |")
    lines += [
        "",
        "These are deviations of a server from what any correct one does, cross-checked by `openssl s_client`:",
        "",
    ]
    lines += ["| server | case | the client is | because |", "|---|---|---|---|"]
    for server in SERVERS.values():
        lines += [f"| {server.name} | `{case}` | {seen} | {why} |" for case, (seen, why) in server.deviations.items()]
    return "\n".join(lines)


def _judged(found: str) -> frozenset[bool]:
    return frozenset(one == IN for one in found.split("/") if one != LEFT_OUT)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if "--page-only" not in sys.argv:
        record()
    replace_generated_part(PAGE, as_markdown(recorded()))
