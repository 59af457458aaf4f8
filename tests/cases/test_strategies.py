"""The law of the single defect: a chain is accepted without it, and rejected with it and for it, whatever the chain."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from pytest_mtls import Case, CertificateAuthority, Handshake, KeyKind, MutualTLSServer, probe
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.cases.presentation import Presentation
from pytest_mtls.cases.strategies import DrawnChain, chains
from pytest_mtls.errors import InvalidArgument, UnknownCase, UnsupportedKeyKind

#: Every defect that is in what a side presents, those included that are rejected by setting: our own side has them all but OCSP and policies.
DEFECTS = {
    side: [
        case
        for case in catalogue.select(["*"])
        if case.accepted is False and case.rewrite is None and case.behaviour is None and case.tls is None
        if not {"ocsp", "policy"} & case.requires
    ]
    for side, catalogue in CATALOGUE.items()
}

LAW = settings(
    max_examples=40,
    deadline=None,
    database=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
)
ANY = settings(LAW, max_examples=1000, phases=[Phase.generate])


def judge(chain: DrawnChain) -> Handshake:
    """A handshake of the chain with a good other side that trusts its root."""
    host = "localhost" if chain.defect is None else chain.defect.host
    if chain.side == "client":
        with MutualTLSServer(cert=chain.root.issue_server(), trust=chain.root) as server:
            return probe(server, Presentation(chain.identity, is_weak=True))
    with MutualTLSServer(cert=Presentation(chain.identity, is_weak=True), trust=chain.root) as server:
        return probe(server, chain.root.issue_client(), trust=chain.root, server_name=host)


def check(chain: DrawnChain) -> None:
    """Hold the chain against the law."""
    seen = judge(chain)
    if chain.defect is None:
        assert (True, None) == (seen.accepted, seen.error)
    else:
        assert (False, "server" if chain.side == "client" else "client") == (seen.accepted, seen.rejected_by)
        assert seen.reason in chain.defect.reasons


@pytest.mark.parametrize("side", ["client", "server"])
class TestLaw:
    """For clients and for servers."""

    @LAW
    @given(data=st.data())
    def test_any_good_chain_is_accepted(self, side: str, data: st.DataObject) -> None:
        """A chain of any depth, keys and names is accepted, as long as nothing is wrong with it."""
        check(data.draw(chains(side, defects=None)))  # type: ignore[arg-type]

    @LAW
    @given(data=st.data())
    def test_any_defect_makes_it_refused_and_its_repair_accepted(self, side: str, data: st.DataObject) -> None:
        """A good chain with any one defect is rejected for that reason; repaired, it is accepted again."""
        good = data.draw(chains(side, defects=None, max_depth=2))  # type: ignore[arg-type]
        possible = [case for case in DEFECTS[side] if good.key_kind != "ed25519" or case.theme != "possession"]
        bad = good.with_defect(data.draw(st.sampled_from(possible)))
        check(bad)
        check(bad.with_defect(None))


@pytest.fixture
def below() -> Iterator[CertificateAuthority]:
    """A CA below a root."""
    root = CertificateAuthority.create()
    yield root.intermediate("one below")
    root.remove_files()


@pytest.mark.parametrize(
    "case", [case for cases in DEFECTS.values() for case in cases], ids=lambda case: f"{case.side}-{case.id}"
)
def test_each_defect_below_an_intermediate(case: Case, below: CertificateAuthority) -> None:
    """Each defect is rejected for its own reason where the CA that it is built against is not the root."""
    assert below.parent is not None
    good = DrawnChain(case.side, below.parent, below, None, None, KeyKind.P256, ("alice.example",))
    check(good.with_defect(case))


class TestChains:
    """What `chains` draws, and what it rejects."""

    def test_defects_by_pattern(self) -> None:
        """A pattern narrows the defects, and exclude narrows them further."""
        found = find(chains(defects=["expired*"], exclude="expired"), lambda chain: True, settings=ANY)
        assert found.defect is not None
        assert "expired-seconds-ago" == found.defect.id

    def test_bad_by_default(self) -> None:
        """Without patterns each chain has a defect that any correct peer rejects, if only that there is no certificate."""
        found = find(chains(), lambda chain: chain.depth == 2 and chain.identity is not None, settings=ANY)
        assert found.defect is not None
        assert found.defect.accepted is False

    def test_every_depth_and_key_is_found(self) -> None:
        """Depths from none to the limit are drawn, and every kind of key that is asked for."""
        drawn = chains(defects=None, max_depth=2, key_kinds=["p256", "p384", "ed25519"])
        for kind in (KeyKind.P384, KeyKind.ED25519):

            def is_it(chain: DrawnChain, kind: KeyKind = kind) -> bool:
                return chain.depth == 2 and chain.key_kind is kind and len(chain.names) > 1

            found = find(drawn, is_it, settings=ANY)
            assert found.identity is not None
            assert 3 == len(found.identity.chain)

    @pytest.mark.parametrize(
        ("arguments", "error"),
        [
            ({"side": "middle"}, InvalidArgument),
            ({"max_depth": -1}, InvalidArgument),
            ({"key_kinds": []}, InvalidArgument),
            ({"key_kinds": ["rot13"]}, UnsupportedKeyKind),
            ({"defects": ["no-such-case"]}, UnknownCase),
            ({"defects": ["garbage-certificate"]}, InvalidArgument),
        ],
        ids=lambda value: str(value) if isinstance(value, dict) else "",
    )
    def test_misuse(self, arguments: dict[str, object], error: type[Exception]) -> None:
        """A mistake is told when the strategy is asked for, and not when it draws."""
        with pytest.raises(error):
            chains(**arguments)  # type: ignore[arg-type]

    def test_without_hypothesis(self) -> None:
        """Where hypothesis is not installed the module can be imported, and the error says how to install it."""
        code = (
            "import sys; sys.modules['hypothesis'] = None\n"
            "from pytest_mtls.cases.strategies import chains\n"
            "from pytest_mtls.errors import MissingExtra\n"
            "try: chains()\n"
            "except MissingExtra as error: print(error)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "pip install 'pytest-mtls[hypothesis]'" in done.stdout
