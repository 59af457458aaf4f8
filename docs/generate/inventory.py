"""Check that the built reference has every public name, and every public member of every public class.

Run after the build: ``python docs/generate/inventory.py docs/_build/html``. It fails with the names that no page has.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from sphinx.util.inventory import InventoryFile

import pytest_mtls

_MODULES = ("aio", "clients")
#: What Python itself gives a class.
_FOREIGN = ("builtins", "enum")


def public_names() -> Iterator[str]:
    """The name of every public object, and of every public member that is not Python's own."""
    for name in pytest_mtls.__all__:
        value = getattr(pytest_mtls, name)
        if name in _MODULES:
            yield from (
                f"pytest_mtls.{name}.{member}" for member in value.__all__ if inspect.isroutine(getattr(value, member))
            )
            continue
        yield f"pytest_mtls.{name}"
        if inspect.isclass(value):
            yield from (f"pytest_mtls.{name}.{member}" for member in _members(value))


def _members(kind: type) -> Iterator[str]:
    foreign = {member for base in kind.__mro__ if base.__module__ in _FOREIGN for member in vars(base)}
    for base in kind.__mro__:
        for member in vars(base) if base.__module__ not in _FOREIGN else ():
            if not member.startswith("_") and member not in foreign:
                yield member


def main(directory: str) -> int:
    """Say what is missing; 0 if nothing is."""
    inventory = InventoryFile.loads((Path(directory) / "objects.inv").read_bytes(), uri="")
    documented = {name for kind, names in inventory.data.items() if kind.startswith("py:") for name in names}
    missing = sorted(set(public_names()) - documented)
    if missing:
        sys.stderr.write(f"no page of the reference has {', '.join(missing)}\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
