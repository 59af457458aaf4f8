"""How real servers live through a rotation: recorded in rotation_record.json, from which the documentation is made.

``python tests/support/rotation_record.py [SERVER ...]`` records anew what this machine's servers do.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, get_args

sys.path.insert(0, str(Path(__file__).parent.parent))

from support.generated_pages import DOCS, replace_generated_part
from support.rotating_servers import ROTATING, RotatingServer, Started

from pytest_mtls import CertificateAuthority, HandshakeAssertionError, Rotation, assert_rotates, probe
from pytest_mtls.certificates.rotating import HalfWayState
from pytest_mtls.tls.wire import Deadline

__all__ = [
    "FIRST",
    "LATE",
    "REJECTS",
    "STATES",
    "STOPS",
    "WHOLE",
    "as_markdown",
    "observe",
    "recorded",
    "takes_up_bundle",
]

RECORD = Path(__file__).with_name("rotation_record.json")
PAGE = DOCS / "reference" / "rotation.md"

#: How often a server is started and rotated; the second is for one that may reject somebody or not, by luck.
_ATTEMPTS = 3
_ATTEMPTS_BY_LUCK = 6
#: How long a server is given that does not serve, before it is said to have stopped.
_RECOVERY_SECONDS = 10.0
_PATIENCE = 30.0
_BUNDLE_SECONDS = 10.0
#: The states that these files can be in.
STATES: tuple[HalfWayState, ...] = tuple(state for state in get_args(HalfWayState) if state != "truncated-crl")

#: What went wrong: it serves nobody any more; somebody was rejected, and others are served; it never took up the new one.
STOPS, REJECTS, LATE = "stops", "rejects", "late"
#: What is taken up of a new CA bundle.
WHOLE, FIRST, NONE = "taken up", "its first certificate only", "not taken up"


def observe(
    server: RotatingServer,
    ca: CertificateAuthority,
    half_way: bool | Collection[HalfWayState],
    within: float = 60.0,
    watch: float = 0.5,
) -> tuple[Rotation | None, str, str]:
    """Start a server and rotate its files once; gives what was seen, what went wrong, and the story of that."""
    with server.start(ca, ca.issue_server(common_name="old")) as started:
        try:
            return rotate(started, ca, half_way, within, watch), "", ""
        except HandshakeAssertionError as error:
            story = str(error)
            if story.startswith("the server did not take up"):
                return None, LATE, story
            return None, REJECTS if _serves_again(started, ca) else STOPS, story


def _serves_again(started: Started, ca: CertificateAuthority) -> bool:
    """Whether a good client gets in, now or soon."""
    client, deadline = ca.issue_client(), Deadline(_RECOVERY_SECONDS)
    while deadline.remaining and started.server.process.poll() is None:
        if probe(started.server.endpoint, client, timeout=_RECOVERY_SECONDS).accepted:
            return True
    return False


def rotate(
    started: Started, ca: CertificateAuthority, half_way: bool | Collection[HalfWayState], within: float, watch: float
) -> Rotation:
    """Rotate the files of a server that runs."""
    new = ca.issue_server(common_name="new")
    endpoint, reload = started.server.endpoint, started.reload
    return assert_rotates(endpoint, started.files, new, within, reload, half_way=half_way, watch=watch)


def recorded() -> dict[str, dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = json.loads(RECORD.read_text(encoding="utf-8"))
    return rows


def record(names: Collection[str]) -> None:
    """Rotate all servers, or some, and write down what they do."""
    ca = CertificateAuthority.create()
    rows = recorded() if RECORD.exists() else {}
    for name in names or ROTATING:
        rows[name] = {
            **_rotation(ROTATING[name], ca),
            "bundle": _bundle(ROTATING[name], ca),
            "half_way": _half_way(ROTATING[name], ca),
        }
    ordered = {name: rows[name] for name in ROTATING if name in rows}
    RECORD.write_text(json.dumps(ordered, indent=1) + "\n", encoding="utf-8")


def _rotation(server: RotatingServer, ca: CertificateAuthority) -> dict[str, Any]:
    seconds: list[float] = []
    problems: list[str] = []
    for _ in range(_attempts(server)):
        seen, wrong, story = observe(server, ca, half_way=False, within=60.0 if server.reads_again else 5.0)
        if seen is not None:
            seconds += seen.seconds
            continue
        problems.append(wrong)
        sys.stderr.write(f"{server.name}: {story}\n")
        if wrong == LATE:
            break
    if not seconds and server.reads_again:
        seconds = [_time_to_new(server, ca)]
    worst = min(problems, key=[LATE, STOPS, REJECTS].index, default="")
    return {"seconds": round(max(seconds), 2) if seconds else None, "problem": worst, "times": len(problems)}


def _time_to_new(server: RotatingServer, ca: CertificateAuthority) -> float:
    """How long it takes until a connection gets the new certificate, whatever happens to others meanwhile."""
    new, client = ca.issue_server(common_name="new"), ca.issue_client()
    with server.start(ca, ca.issue_server(common_name="old")) as started:
        started.files.rotate(new)
        deadline = Deadline(_PATIENCE)
        if started.reload is not None:
            started.reload()
        while deadline.remaining:
            seen = probe(started.server.endpoint, client, timeout=1.0)
            if seen.accepted and seen.peer_certificate == new.certificate:
                return _PATIENCE - deadline.remaining
    return float("inf")


def takes_up_bundle(
    server: RotatingServer, ca: CertificateAuthority, seconds: float = _BUNDLE_SECONDS, *, first: bool = False
) -> bool:
    """Whether a client of a CA that is new in the bundle gets in.

    Args:
        server: the server.
        ca: the CA that is in the bundle before, and after.
        seconds: how long it is given.
        first: whether the new CA comes first in the bundle, and not last.
    """
    partner = CertificateAuthority.create("partner")
    bob = partner.issue_client("bob")
    try:
        with server.start(ca, ca.issue_server()) as started:
            started.files.rotate(trust=[partner, ca] if first else [ca, partner])
            deadline = Deadline(seconds)
            if started.reload is not None:
                started.reload()
            while deadline.remaining:
                if probe(started.server.endpoint, bob, timeout=1.0).accepted:
                    return True
        return False
    finally:
        partner.remove_files()


def _bundle(server: RotatingServer, ca: CertificateAuthority) -> str:
    """How much of a new CA bundle it takes up."""
    if takes_up_bundle(server, ca):
        return WHOLE
    return FIRST if takes_up_bundle(server, ca, first=True) else NONE


def _attempts(server: RotatingServer) -> int:
    return _ATTEMPTS_BY_LUCK if server.by_luck else _ATTEMPTS


def _half_way(server: RotatingServer, ca: CertificateAuthority) -> dict[str, str]:
    return {state: _hurt_by(server, ca, state) for state in (STATES if server.reads_again else ())}


def _hurt_by(server: RotatingServer, ca: CertificateAuthority, state: HalfWayState) -> str:
    """What goes wrong in a state, each time; a server that rejects somebody by luck in any reload may do so in this one."""
    wrong = ""
    for _ in range(_ATTEMPTS_BY_LUCK if server.by_luck else 1):
        _, wrong, story = observe(server, ca, [state])
        if "while the files were half way" not in story.partition("\n")[0]:
            return ""
    return wrong


def as_markdown(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The servers, how each is told, and what was seen."""
    lines = [
        "| server | how it is told | new certificate after | new CA bundle | rejects somebody meanwhile | half-way states that hurt |",
        "|---|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        server = ROTATING[name]
        after = (
            "never" if row["problem"] == LATE else "not once" if row["seconds"] is None else f"{row['seconds']:.2f} s"
        )
        times = f"{row['times']} times out of {_attempts(server)}"
        meanwhile = times if row["problem"] in (REJECTS, STOPS) else "no"
        hurt = [state for state, wrong in row["half_way"].items() if wrong]
        harm = "all" if len(hurt) == len(STATES) else ", ".join(f"`{state}`" for state in hurt) or "none"
        if len(hurt) == len(STATES):
            harm = "all: any reload does"
        elif hurt:
            harm += f": it {'stops serving' if row['half_way'][hurt[0]] == STOPS else 'rejects connections'}"
        if not server.reads_again:
            harm = "none, since it does not read them"
        lines.append(f"| {name} | {server.told} | {after} | {row['bundle']} | {meanwhile} | {harm} |")
    return "\n".join(lines)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    if "--page-only" not in sys.argv:
        record(sys.argv[1:])
    replace_generated_part(PAGE, as_markdown(recorded()))
