"""The cases of the catalogue, a file for each theme.

To add a bad certificate, write one function in the file of its theme: its name is the id, its docstring the documentation.
A new file goes into `THEMES`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType, ModuleType

from pytest_mtls.cases.themes import (
    behaviour,
    common_name,
    constraints,
    good,
    identifiers,
    message,
    names,
    ocsp,
    path,
    policies,
    possession,
    proof,
    purpose,
    revocation,
    shape,
    signature,
    staple,
    strength,
    syntax,
)

__all__ = ["THEMES"]

_MODULES = (
    behaviour,
    common_name,
    constraints,
    good,
    identifiers,
    message,
    names,
    ocsp,
    path,
    policies,
    possession,
    proof,
    purpose,
    revocation,
    shape,
    signature,
    staple,
    strength,
    syntax,
)

#: By the name that `Case.theme` has.
THEMES: Mapping[str, ModuleType] = MappingProxyType({module.__name__.rpartition(".")[2]: module for module in _MODULES})
