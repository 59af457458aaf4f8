"""The cases on disk before other TLS stacks: GnuTLS, Java, Node and curl reject them, and for the same cause."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.generated_pages import DOCS, generated_part
from support.other_stacks import STACKS, Minted, Verdicts
from support.stack_causes import DEPARTURES, OTHER_CAUSES, as_markdown, cause, departs

from pytest_mtls import Case, CertificateAuthority
from pytest_mtls.cases.listing import select
from pytest_mtls.cases.mint import mint

PAGE = DOCS / "reference" / "stacks.md"
CASES: dict[tuple[str, str], Case] = {(case.side, case.id): case for case in select()}

#: One stack is judged in the ordinary suite, and all of them among the slow tests.
BY_SPEED = [pytest.param(stack, marks=[] if stack == "GnuTLS" else [pytest.mark.slow]) for stack in STACKS]

pytestmark = pytest.mark.xdist_group("stacks")


@pytest.fixture(scope="module")
def minted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Minted]:
    """The catalogue as files."""
    ca = CertificateAuthority.create()
    directory = tmp_path_factory.mktemp("stacks") / "certs"
    yield Minted(directory, ca, mint(directory, ca=ca))
    ca.remove_files()


@pytest.fixture(scope="module")
def verdicts() -> dict[str, Verdicts]:
    """What each stack has said so far: each judges once."""
    return {}


@pytest.fixture
def said(minted: Minted, verdicts: dict[str, Verdicts], stack: str) -> Verdicts:
    """What one stack makes of every case."""
    if stack not in verdicts:
        verdicts[stack] = STACKS[stack](minted)
    return verdicts[stack]


@pytest.mark.parametrize("stack", BY_SPEED)
def test_verdicts_and_causes(stack: str, said: Verdicts) -> None:
    """A stack does as any correct peer does but where a reason is known, and says the same cause wherever it says any."""
    departures, others = set(), {}
    for side, judged in said.items():
        assert judged
        for id, verdict in judged.items():
            case = CASES[side, id]
            if departs(case, verdict.accepted):
                departures.add((stack, side, id))
            found = cause(stack, verdict.said)
            if verdict.accepted is False and case.reasons and found is not None and not found & set(case.reasons):
                others[stack, id] = verdict.said
    assert {key for key in DEPARTURES if key[0] == stack} == departures
    assert {key for key in OTHER_CAUSES if key[0] == stack} == set(others), others


@pytest.mark.parametrize("stack", BY_SPEED)
def test_most_refusals_tell_a_cause(stack: str, said: Verdicts) -> None:
    """What the words of a stack mean is known for at least three of four rejections."""
    refusals = [verdict.said for judged in said.values() for verdict in judged.values() if verdict.accepted is False]
    assert 0.75 * len(refusals) < sum(cause(stack, words) is not None for words in refusals)


@pytest.mark.slow
def test_page_is_current(minted: Minted, verdicts: dict[str, Verdicts]) -> None:
    """docs/reference/stacks.md has the tables of now."""
    for stack, judge in STACKS.items():
        if stack not in verdicts:
            verdicts[stack] = judge(minted)
    assert as_markdown({stack: verdicts[stack] for stack in STACKS}) == generated_part(PAGE), (
        "run: python docs/generate/catalogue.py stacks"
    )
