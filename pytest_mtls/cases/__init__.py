"""The catalogue of good and bad peers, and what is made of it.

``python -m pytest_mtls cases`` lists it. To add a case, see `pytest_mtls.cases.themes`.
"""

from __future__ import annotations

from pytest_mtls.cases.case import CATALOGUE, Case, Catalogue, Tier, case
from pytest_mtls.cases.themes import THEMES

__all__ = ["CATALOGUE", "THEMES", "Case", "Catalogue", "Tier", "case"]
