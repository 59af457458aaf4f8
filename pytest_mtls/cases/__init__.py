"""Floor 2: the catalogue of good and bad peers, a file a theme.

To add a bad certificate, write one function in the file of its theme: its name is the id, its docstring the
documentation. ``python -m pytest_mtls cases`` lists them all.
"""

from __future__ import annotations

# Each adds its cases to the catalogue.
from pytest_mtls.cases import (
    behaviour,  # noqa: F401
    constraints,  # noqa: F401
    good,  # noqa: F401
    message,  # noqa: F401
    names,  # noqa: F401
    path,  # noqa: F401
    possession,  # noqa: F401
    proof,  # noqa: F401
    purpose,  # noqa: F401
    revocation,  # noqa: F401
    shape,  # noqa: F401
    signature,  # noqa: F401
    strength,  # noqa: F401
)
from pytest_mtls.cases.case import CATALOGUE, Case, Catalogue, Tier, case

__all__ = ["CATALOGUE", "Case", "Catalogue", "Tier", "case"]
