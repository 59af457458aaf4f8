"""docs/reference/clients.md says what happens when each library calls."""

from __future__ import annotations

import pytest
from support.client_drivers import DRIVERS
from support.client_rows import People, line, observe, without_version
from support.generated_pages import DOCS, generated_part

from pytest_mtls.clients import LIBRARIES

AGAIN = "; if this is right, run: python docs/generate/catalogue.py clients"


def rows_of_page() -> dict[str, str]:
    """The lines of the page's table, by library."""
    table = generated_part(DOCS / "reference" / "clients.md").splitlines()[2:]
    return {row.split(" | ")[0].removeprefix("| "): row for row in table}


@pytest.mark.filterwarnings("ignore:.*_text is deprecated:DeprecationWarning")  # kafka-python, at its import
@pytest.mark.usefixtures("collected")
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.parametrize("library", DRIVERS)
def test_each_row_is_what_happens(library: str, people: People, request: pytest.FixtureRequest) -> None:
    """The right certificate arrives, and the library raises what the page says, whoever rejects whom."""
    row = observe(library, people, lambda: int(request.getfixturevalue("postgresql")))
    assert without_version(rows_of_page()[library]) == without_version(line(row.cells)), AGAIN


def test_every_library_is_there() -> None:
    """The page has a row for each library, in their order, and none besides."""
    assert [name for name in LIBRARIES if name != "environment"] == list(rows_of_page())
    assert set(rows_of_page()) == set(DRIVERS)
