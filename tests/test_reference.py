"""The reference: each public name on one page, and a docstring for each public member."""

from __future__ import annotations

import inspect
import re
from collections import Counter
from collections.abc import Iterator
from enum import Enum
from pathlib import Path

import pytest

import pytest_mtls

PAGES = Path(__file__).parent.parent / "docs" / "reference" / "api"
_MODULES = {"aio": "aio.rst", "clients": "../clients.md"}


def test_each_public_name_is_on_one_page() -> None:
    """Neither more nor less: the inventory of the built pages, checked by ``tox -e docs``, has the members."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(PAGES.glob("*.rst")))
    named = re.findall(r"^\.\. auto(?:class|function):: pytest_mtls\.(\w+)$", text, re.MULTILINE)
    assert Counter(name for name in pytest_mtls.__all__ if name not in _MODULES) == Counter(named)
    for module, page in _MODULES.items():
        assert f"pytest_mtls.{module}" in (PAGES / page).read_text(encoding="utf-8")


def _members() -> Iterator[tuple[str, object]]:
    for name in pytest_mtls.__all__:
        kind = getattr(pytest_mtls, name)
        if inspect.isclass(kind):
            for base in kind.__mro__:
                if base.__module__.startswith("pytest_mtls"):
                    yield from ((f"{name}.{member}", value) for member, value in vars(base).items())


@pytest.mark.parametrize(
    "member",
    [
        pytest.param(value, id=name)
        for name, value in dict(_members()).items()
        if not name.partition(".")[2].startswith("_")
        and (inspect.isroutine(value) or isinstance(value, property) or hasattr(value, "func"))
    ],
)
def test_member_has_a_docstring(member: object) -> None:
    """A sentence, of the member itself and not of what it inherits from."""
    text = inspect.getdoc(getattr(member, "func", member)) or ""
    assert text[:1].isupper() or text.startswith("``")
    assert "." in text


@pytest.mark.parametrize("name", [name for name in pytest_mtls.__all__ if name != "Alert"])
def test_value_of_an_enumeration_has_its_meaning(name: str) -> None:
    """Each value has a comment with its meaning, which the page shows; alerts are explained by RFC 8446 section 6."""
    kind = getattr(pytest_mtls, name)
    if not (inspect.isclass(kind) and issubclass(kind, Enum)):
        return
    source = inspect.getsource(kind)
    for value in kind:
        assert re.search(
            rf"(^    #: .+\n    {value.name} = )|(^    {value.name} = .+  #: .+$)", source, re.MULTILINE
        ), value
