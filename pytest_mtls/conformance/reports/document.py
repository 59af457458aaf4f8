"""`make_document`: all that a run found, as plain data. Every form of a report is made of it.

Texts in it may come from a hostile peer: they are bounded, and hold no control characters and no lone surrogates.
"""

from __future__ import annotations

import platform
import ssl
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from importlib.metadata import version
from typing import Any

from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.conformance.policy import Policy
from pytest_mtls.conformance.run import Outcome

__all__ = ["FORMAT", "Document", "Facts", "cleaned", "make_document", "versions"]

#: What `make_document` gives.
Document = Mapping[str, Any]
#: What is known of one check.
Facts = Mapping[str, Any]

FORMAT = 2
#: A text that a peer chose is cut after so many characters.
_LONGEST = 2000


def make_document(
    target: Endpoint | str,
    policy: Policy,
    results: Sequence[Facts],
    *,
    date: datetime,
    seconds: float = 0.0,
    server_chains: Iterable[Sequence[Facts]] = (),
    errors: Iterable[str] = (),
    policy_file: str | None = None,
    changes: Sequence[Facts] | None = None,
    inventory: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """All that a run found.

    Args:
        target: the server under test, or the command of the client under test.
        policy: what is agreed of it.
        results: the facts of each check, as `pytest_mtls.conformance.reports.evidence.record` has them.
        date: when the run began, in UTC.
        seconds: how long it took.
        server_chains: each chain that the server presented, as `evidence.chain_facts` has it; nothing for a client,
            which meets servers of ours.
        errors: the tests that failed without coming to a result.
        policy_file: the file of the policy, from the root of the suite.
        inventory: what the server offers, by kind.
        changes: what changed since the baseline, each with its kind and text; None where nothing was compared.

    Returns:
        What the JSON report holds, by the schema that the documentation publishes.
    """
    counts = Counter(facts["outcome"] for facts in results)
    failed = list(errors)
    is_weaker = any(change["kind"] == "weaker" for change in changes or ())
    has_failed = bool(failed) or is_weaker or any(Outcome(name).is_failure for name in counts)
    document: dict[str, Any] = cleaned(
        {
            "format": FORMAT,
            "date": f"{date:%Y-%m-%dT%H:%M:%SZ}",
            "seconds": round(seconds, 1),
            "versions": versions(),
            "target": _target(target),
            "server_chains": [] if isinstance(target, str) else [list(chain) for chain in server_chains],
            **({"inventory": inventory} if inventory else {}),
            "settings": sorted(policy.settings),
            "policy": _policy(policy, policy_file),
            "passed": bool(results) and not has_failed,
            "summary": {outcome.value: counts[outcome.value] for outcome in Outcome},
            "errors": failed,
            **({} if changes is None else {"changes": list(changes)}),
            "results": list(results),
        }
    )
    return document


def _target(target: Endpoint | str) -> dict[str, Any]:
    if isinstance(target, str):
        return {"command": target}
    return {
        "protocol": target.protocol,
        "host": target.host,
        "port": target.port,
        "server_name": target.name,
        "path": target.path,
    }


def versions() -> dict[str, str]:
    """The versions of what did the work: this package, Python, OpenSSL, cryptography and pytest."""
    return {
        "pytest-mtls": version("pytest-mtls"),
        "python": platform.python_version(),
        "openssl": ssl.OPENSSL_VERSION,
        "cryptography": version("cryptography"),
        "pytest": version("pytest"),
    }


def _policy(policy: Policy, file: str | None) -> dict[str, Any]:
    exceptions = [
        {
            "case": known.case,
            "seen": known.seen,
            "reason": known.reason,
            **({} if known.tls is None else {"tls": known.tls}),
        }
        for known in policy.exceptions
    ]
    return {
        **({} if file is None else {"file": file}),
        "reasons": policy.reasons,
        "exceptions": exceptions,
        **({} if policy.versions is None else {"versions": sorted(policy.versions)}),
        **({} if policy.expiry_days is None else {"expiry_days": policy.expiry_days}),
    }


def cleaned(value: Any) -> Any:
    """The same data with every text bounded, and without control characters and lone surrogates."""
    if isinstance(value, str):
        return _clean(value)
    if isinstance(value, Mapping):
        return {str(key): cleaned(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [cleaned(item) for item in value]
    return value


def _clean(text: str) -> str:
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]} ... ({len(text)} characters)"
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else _escape(character) for character in text
    )


def _escape(character: str) -> str:
    """A character that is not to be printed as it is: a control, a surrogate, or one that changes how others are read."""
    return " " if character.isspace() else character.encode("unicode_escape").decode("ascii")
