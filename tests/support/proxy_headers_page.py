"""The reference page of forwarded client certificates, made from the tables of the styles."""

from __future__ import annotations

from collections.abc import Iterator

from support.rfc9440_identity import RFC_IDENTITY

from pytest_mtls import forwarded_headers
from pytest_mtls.proxies import STYLES

__all__ = ["as_markdown"]

#: Styles whose headers a test compares with what the program itself sends, and the others, with vectors.
PROGRAMS = {
    "nginx": "nginx",
    "ingress-nginx": "nginx with the directives of ingress-nginx",
    "haproxy": "HAProxy",
    "apache": "Apache httpd",
    "caddy": "Caddy",
}
_VERIFICATION = {
    "tells": "It forwards the outcome of its verification.",
    "silent": "It forwards nothing about its verification.",
    "verified": "It forwards only clients that it verified.",
}
_LONGEST = 44


def as_markdown() -> str:
    """A section a style."""
    return "\n\n".join("\n".join(_section(name)) for name in STYLES)


def _section(name: str) -> Iterator[str]:
    style = STYLES[name]
    told = forwarded_headers(RFC_IDENTITY, name)
    nobody = forwarded_headers(None, name)
    source = (
        f"the program, {PROGRAMS[name]}" if name in PROGRAMS else "vectors derived from its document, not the product"
    )
    names = "The names of the headers are examples; any others can be configured. " if style.configured else ""
    note = f" {style.note}" if style.note else ""
    yield from (f"## {style.title}", "", f"`{name}`; [document]({style.document}); tested against {source}.", "")
    yield from (f"{names}{_VERIFICATION[style.verification]}{note}", "")
    yield from ("| header | comes from | for example | without a certificate |", "|---|---|---|---|")
    for header in style.headers:
        cells = (f"`{header.name}`", _code(header.value), _value(told, header.name), _value(nobody, header.name))
        yield f"| {' | '.join(cells)} |"


def _value(headers: dict[str, str], name: str) -> str:
    if name not in headers:
        return "absent"
    return _code(headers[name]) if headers[name] else "empty"


def _code(text: str) -> str:
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
    return f"`{short.replace('|', chr(92) + '|')}`"
