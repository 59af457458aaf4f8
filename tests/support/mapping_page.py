"""The tables of docs/reference/mapping.md, made of the requirements and rules themselves."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_mtls.bypasses import BYPASSES
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.conformance.bypassing import report_id
from pytest_mtls.conformance.mapping import REQUIREMENTS, requirements_of
from pytest_mtls.conformance.offers import check_id
from pytest_mtls.conformance.policy import SERVER_CHECKS
from pytest_mtls.reasons.side import Side

__all__ = ["as_markdown", "checks_of"]


def checks_of(id: str, side: Side) -> list[str]:
    """The ids of the checks that are evidence for a requirement.

    Args:
        id: that of the requirement.
        side: "client" for the run of a server under test, "server" for that of a client.
    """
    known = [case.id for case in CATALOGUE[side].select("*") if case.theme != "own"]
    if side == "client":
        known += [*map(report_id, BYPASSES.values()), *map(check_id, SERVER_CHECKS)]
    return [check for check in known if id in [one.id for one in requirements_of(check, side)]]


def as_markdown() -> str:
    """A section for each source, and in it a part for each requirement."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    for source in dict.fromkeys(one.source for one in REQUIREMENTS.values()):
        yield f"## {source.name}"
        yield ""
        yield f"[{source.title}]({source.url})"
        yield ""
        yield "| where | what it asks for | of a server under test | of a client under test |"
        yield "|---|---|---|---|"
        for id, requirement in REQUIREMENTS.items():
            if requirement.source == source:
                cells = (
                    ", ".join(f"`{check}`" for check in checks_of(id, side)) or "-" for side in ("client", "server")
                )
                yield f"| {requirement.section} | {requirement.says} | {' | '.join(cells)} |"
        yield ""
