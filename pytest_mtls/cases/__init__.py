"""Floor 2: the catalogue of good and bad peers.

To add a bad certificate, write one function in `client` or `server`: its name is the id, its docstring the documentation.
"""

from __future__ import annotations

from pytest_mtls.cases import client as client
from pytest_mtls.cases import server as server
from pytest_mtls.cases.case import CATALOGUE, Case, Catalogue, Tier, case

__all__ = ["CATALOGUE", "Case", "Catalogue", "Tier", "case"]
