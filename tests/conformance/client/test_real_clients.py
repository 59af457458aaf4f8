"""Real clients against every bad server: each does as it should but where a reason is known, and its bad twin is found out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.client_record import PAGE, as_markdown, failures, recorded, run_of, twin_results
from support.client_sources import SOURCES, reasons
from support.generated_pages import generated_part
from support.real_clients import CLIENTS

from pytest_mtls import CertificateAuthority
from pytest_mtls.conformance.run import Outcome

NAMES = list(CLIENTS)
#: Whose twin the suite calls; the others are among the slow tests.
_QUICK = ("curl", "requests")
TWINS = [pytest.param(name, marks=() if name in _QUICK else pytest.mark.slow, id=name) for name in NAMES]


@pytest.fixture
def ca() -> Iterator[CertificateAuthority]:
    authority = CertificateAuthority.create()
    yield authority
    authority.remove_files()


@pytest.fixture(autouse=True)
def _few_system_cas(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """redis reads all CAs of the system for each connection, which takes twice as long as everything else."""
    if "[redis]" in request.node.name:
        (tmp_path / "none.pem").touch()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_client(name: str, ca: CertificateAuthority) -> None:
    """The whole catalogue finds nothing that is not agreed, and all that is agreed."""
    results = run_of(CLIENTS[name], ca)
    assert [] == failures(results)
    assert Outcome.CONFORMS in {one.outcome for one in results}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.parametrize("name", TWINS)
def test_twin(name: str, ca: CertificateAuthority) -> None:
    """The client that is told to verify nothing goes on with bad servers, and the run says so."""
    results = {id: outcome.value for id, outcome in twin_results(CLIENTS[name], ca).items()}
    assert recorded()[name]["twin"] == results
    assert Outcome.DEVIATES.value in results.values()


def test_every_client_is_recorded() -> None:
    """None is left out."""
    assert list(CLIENTS) == list(recorded())


def test_every_reason_has_its_source() -> None:
    """What is said of a client can be read somewhere, or was seen in another way; nothing is left of what is not said."""
    assert set(SOURCES) == reasons()


def test_page_is_current() -> None:
    """The documentation says what is recorded."""
    assert as_markdown(recorded()) == generated_part(PAGE), "run: python tests/support/client_record.py --page-only"
