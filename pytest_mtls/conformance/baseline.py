"""What a server did in an earlier run, and what has changed since: got weaker, got stronger, or is merely different.

A `Snapshot` is read from a baseline, which is small, sorted and meant for git, or from a report of either format. No pytest
here, and no sockets.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_mtls.bypasses.run import NO_RULE
from pytest_mtls.conformance.inventory import compared
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.errors import InvalidReport

__all__ = ["Change", "Snapshot", "State", "compare", "read_snapshot", "regression"]

_BASELINE = 1
#: The formats of reports that can be read.
_REPORTS = (1, 2)

#: How strong each answer is to a client that should not get in, or to a bypass.
_STRENGTH = {"refused": 2, "held": 2, "lasts": 2, "undecided": 1, "accepted": 0, "bypassed": 0, "ends soon": 0}
#: The same of a client that should: the other way round.
_STRENGTH_OF_GOOD = {"accepted": 2, "undecided": 1, "refused": 0}
#: The order in which changes are told.
_KINDS = ("weaker", "stronger", "changed", "new", "gone")


#: How a note begins that tells that good clients do not get in; what they met follows.
_UNPROVED = re.compile(
    r"(?:a (?:good )?client cannot be judged, so that nothing is proved: "  # as older reports have it
    r"|a (?:good )?client does not get in, so nothing can be proved: "
    r"|(?:nothing can be proved, as the first failure tells: )?a good client does not get in: "
    r"|nothing can be proved, as the first failure tells: )(.*)",
    re.DOTALL,
)


def _obstacle(note: str) -> str:
    found = _UNPROVED.fullmatch(note)
    return found[1] if found else ""


@dataclass(frozen=True)
class State:
    """What a server did in one check.

    Attributes:
        seen: its answer: "accepted", "refused", "held" and so on.
        layer: where it rejected; empty if it did not.
        by: the alert by which it rejected, or what its application answered; empty if nothing is known.
        is_good: whether the client should get in.
        theme: what the check is about; empty where that is not known.
        left_out: why the check was not made; empty if it was.
        unproved: what a good client met, where it did not get in, so that the check proves nothing; empty if it did.
    """

    seen: str
    layer: str = ""
    by: str = ""
    is_good: bool = False
    theme: str = field(default="", compare=False)
    left_out: str = field(default="", compare=False)
    unproved: str = field(default="", compare=False)

    @property
    def strength(self) -> int:
        """How strong the answer is; a higher number is stronger."""
        return (_STRENGTH_OF_GOOD if self.is_good else _STRENGTH).get(self.seen, 1)

    def __str__(self) -> str:
        details = ", ".join(filter(None, (self.layer, self.by)))
        return f"{self.seen} ({details})" if details and self.seen == "refused" else self.seen

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> State:
        """Read it from the facts of a result, as a report has them."""
        was_refused = facts["seen"] == "refused"
        is_left_out = facts["outcome"] == Outcome.LEFT_OUT.value
        return cls(
            seen=str(facts["seen"]),
            layer=str(facts.get("layer", "")) if was_refused else "",
            by=str(facts.get("alert") or facts.get("answer") or "") if was_refused else "",
            is_good=facts["expected"] == "accepted" or facts.get("tier") == "good",
            theme=str(facts.get("theme", "")),
            left_out=str(facts.get("note", "no cause is known")) if is_left_out else "",
            unproved=_obstacle(str(facts.get("note", ""))),
        )


@dataclass(frozen=True)
class Snapshot:
    """What a server did in one run.

    Attributes:
        checks: what it did in each check, by the id of the case and the TLS version.
        inventory: what it offers, by kind; see `pytest_mtls.conformance.inventory`.
    """

    checks: Mapping[tuple[str, str], State]
    inventory: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, results: Iterable[Mapping[str, Any]], inventory: Mapping[str, Sequence[str]] | None = None) -> Snapshot:
        """Read it from the results of a report, or of the run that is going on."""
        checks = {(str(facts["case"]), str(facts["tls"])): State.of(facts) for facts in results}
        return cls(checks, {} if inventory is None else inventory)

    def updated_by(self, newer: Snapshot) -> Snapshot:
        """This one, and over it all that a newer run has done; what that left out stays as it was."""
        done = {key: state for key, state in newer.checks.items() if not state.left_out}
        return Snapshot({**self.checks, **done}, newer.inventory or self.inventory)

    def as_text(self) -> str:
        """The baseline file: a line a check, sorted, so that its diff reads well. What was left out is not in it."""
        checks = {
            f"{case} {tls}".removesuffix(" -"): _entry(state)
            for (case, tls), state in self.checks.items()
            if not state.left_out
        }
        parts = [f'  "baseline": {_BASELINE}']
        if self.inventory:
            lists = {name: json.dumps(list(values)) for name, values in self.inventory.items()}
            parts.append(f'  "inventory": {_block(lists)}')
        parts.append(f'  "checks": {_block({name: json.dumps(entry) for name, entry in checks.items()})}')
        return "{\n" + ",\n".join(parts) + "\n}\n"


def _entry(state: State) -> dict[str, Any]:
    entry = {"seen": state.seen, "layer": state.layer, "by": state.by, "expected": "accepted" if state.is_good else ""}
    return {name: value for name, value in entry.items() if value}


def _block(entries: Mapping[str, str]) -> str:
    lines = ",\n".join(f"    {json.dumps(name)}: {entries[name]}" for name in sorted(entries))
    return f"{{\n{lines}\n  }}" if lines else "{}"


def read_snapshot(path: str | os.PathLike[str]) -> Snapshot:
    """Read a baseline, or a JSON report of format 1 or 2.

    Args:
        path: the file.

    Raises:
        InvalidReport: it cannot be read, or is neither.
    """
    name = os.fspath(path)
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidReport(name, (error.strerror or str(error)).lower()) from None
    except ValueError as error:
        raise InvalidReport(name, f"it is not JSON ({error})") from None
    try:
        if isinstance(document, dict) and document.get("baseline") == _BASELINE:
            checks = {_key(key): _state(entry) for key, entry in document["checks"].items()}
            return Snapshot(checks, document.get("inventory", {}))
        if isinstance(document, dict) and document.get("format") in _REPORTS:
            return Snapshot.of(document["results"], document.get("inventory"))
    except (KeyError, TypeError, AttributeError) as error:
        raise InvalidReport(name, f"an entry is not as it should be ({error!r})") from None
    raise InvalidReport(name, "it is neither a baseline nor a report of format 1 or 2")


def _key(text: str) -> tuple[str, str]:
    case, _, tls = text.partition(" ")
    return case, tls or "-"


def _state(entry: Mapping[str, Any]) -> State:
    texts = {name: str(entry.get(name, "")) for name in ("layer", "by")}
    return State(seen=str(entry["seen"]), is_good=entry.get("expected") == "accepted", **texts)


# --- comparing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One change between two runs.

    Attributes:
        kind: "weaker", "stronger", "changed", "new" or "gone".
        text: what changed, in one line.
    """

    kind: str
    text: str

    @property
    def is_regression(self) -> bool:
        """Whether the server got weaker."""
        return self.kind == "weaker"

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


def regression(old: Snapshot, facts: Mapping[str, Any]) -> str:
    """How a check got weaker than it was, in one line; empty if it did not.

    Args:
        old: what it is compared with.
        facts: of the result.
    """
    was, now = old.checks.get((str(facts["case"]), str(facts["tls"]))), State.of(facts)
    if was is None or was.left_out or now.left_out or now.strength >= was.strength:
        return ""
    over = "" if facts["tls"] == "-" else f" over TLS {facts['tls']}"
    return f"regression: {facts['case']}{over} was {was}, and is {now}"


def compare(old: Snapshot, new: Snapshot) -> list[Change]:
    """What changed between two runs: weaker first. Checks that changed alike share a line.

    Args:
        old: the earlier run.
        new: the later one.
    """
    offers = (Change(kind, text) for kind, text in compared(old.inventory, new.inventory))
    return sorted((*offers, *_compared_checks(old, new)), key=lambda change: _KINDS.index(change.kind))


def _compared_checks(old: Snapshot, new: Snapshot) -> Iterator[Change]:
    groups: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    unproved: list[str] = []
    has_inventories = bool(old.inventory and new.inventory)
    for key, now in new.checks.items():
        if has_inventories and key[0].startswith(_VERSION_CHECK):
            continue  # the inventories tell it
        was = old.checks.get(key)
        if was is not None and now.unproved and not (was.left_out or was.unproved):
            unproved.append(now.unproved)
        elif was is None or was.left_out:
            if not now.left_out:
                groups.setdefault(("new", "", "checks that are made for the first time"), []).append(key)
        elif now.left_out:
            if not (_is_of_a_version_that_is_gone(now.left_out, old, new) or _is_of_no_rule(now.left_out, old, new)):
                groups.setdefault(("weaker", "", f"no longer tested: {now.left_out}"), []).append(key)
        elif was != now:
            kind = "changed"
            if was.strength != now.strength:
                kind = "weaker" if now.strength < was.strength else "stronger"
            # A change of the answer is one change for all of a theme; alerts differ from client to client.
            texts = (str(was), str(now)) if kind == "changed" else (was.seen, now.seen)
            groups.setdefault((kind, now.theme, " -> ".join(texts)), []).append(key)
    missing = [key for key, was in old.checks.items() if key not in new.checks and not was.left_out]
    if missing:
        groups[("gone", "", "not made in this run")] = missing
    if unproved:
        yield Change("weaker", f"good clients do not get in any more, so that nothing is proved: {unproved[0]}")
    for (kind, _, text), keys in groups.items():
        yield Change(kind, f"{_named(keys, is_short=kind in ('new', 'gone'))}: {text}")


def _named(keys: Sequence[tuple[str, str]], *, is_short: bool) -> str:
    """The checks in words: their ids and versions, or how many there are."""
    if is_short:
        return f"{len(keys)} check{'' if len(keys) == 1 else 's'}"
    versions = sorted({tls for _, tls in keys if tls != "-"})
    over = f" over TLS {' and '.join(versions)}" if versions else ""
    cases = list(dict.fromkeys(case for case, _ in keys))
    told = ", ".join(cases[:_MOST_NAMED])
    return f"{told} and {len(cases) - _MOST_NAMED} more{over}" if len(cases) > _MOST_NAMED else f"{told}{over}"


#: So many cases are named in a line.
_MOST_NAMED = 12
#: How the ids of the checks of TLS versions begin.
_VERSION_CHECK = "check[tls-"
_NO_CERTIFICATE = "no-certificate"
#: Why checks over a TLS version are left out.
_NOT_SPOKEN = "the server does not speak TLS "


def _is_of_no_rule(cause: str, old: Snapshot, new: Snapshot) -> bool:
    """Whether bypasses are left out because clients without a certificate get in now, which has a line of its own."""
    lets_in = any(
        state.seen == "accepted" and old.checks.get(key, state).seen != "accepted"
        for key, state in new.checks.items()
        if key[0] == _NO_CERTIFICATE
    )
    return cause == NO_RULE and lets_in


def _is_of_a_version_that_is_gone(cause: str, old: Snapshot, new: Snapshot) -> bool:
    """Whether checks are left out for a TLS version that is gone, which has a line of its own."""
    tls = cause.removeprefix(_NOT_SPOKEN)
    if tls == cause:
        return False
    key = (f"{_VERSION_CHECK}{tls}]", "-")
    was, now = (snapshot.checks.get(key) for snapshot in (old, new))
    is_told_by_check = was is not None and now is not None and (was.seen, now.seen) == ("accepted", "refused")
    gone = set(old.inventory.get("versions", ())) - set(new.inventory.get("versions", ()))
    return is_told_by_check or (bool(new.inventory) and tls in gone)
