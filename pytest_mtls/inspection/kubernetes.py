"""The certificates and keys in a kubeconfig, and in a Secret, by a reader of the few lines of YAML that they are in.

It reads block mappings and sequences as kubectl writes them, plain, quoted and block scalars. What goes beyond, such as
flow mappings, anchors and tags, is told with the command that writes it out.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

__all__ = ["Field", "is_kubernetes", "read_kubernetes"]

#: Fields whose value is base64 of PEM, and those that name a file.
_DATA = ("certificate-authority-data", "client-certificate-data", "client-key-data")
_FILES = ("certificate-authority", "client-certificate", "client-key")
_SECRET = ("tls.crt", "tls.key", "ca.crt")
_KEY_LINE = re.compile(
    r"""^(?P<indent> *(?:- +)*)(?P<quote>["']?)(?P<key>[\w.\-/]+)(?P=quote) *:(?: +(?P<value>.*))?$"""
)
_LISTS = {"clusters": "cluster", "users": "user", "contexts": "context"}


_KINDS = {"Config": "kubeconfig", "Secret": "Kubernetes Secret"}


class Field(NamedTuple):
    """One field of interest.

    Attributes:
        label: whose it is: ``user admin``, ``cluster prod``, or the Secret's name.
        name: the field.
        data: what it holds; None if it names a file, or cannot be decoded.
        path: the file that it names.
        problem: why it cannot be decoded.
    """

    label: str
    name: str
    data: bytes | None = None
    path: str = ""
    problem: str = ""


def is_kubernetes(text: str) -> str | None:
    """What it is: "kubeconfig" or "Kubernetes Secret"; None if it is neither."""
    if text.lstrip()[:1] == "{":
        found = re.search(r'"kind"\s*:\s*"(Config|Secret)"', text)
        return _KINDS[found[1]] if found is not None else None
    if re.search(r"""^\s*["']?kind["']?\s*:\s*["']?Config\b""", text, re.MULTILINE) or (
        re.search(r"^(clusters|users):", text, re.MULTILINE) and any(name in text for name in (*_DATA, *_FILES))
    ):
        return "kubeconfig"
    if re.search(r"""^\s*["']?kind["']?\s*:\s*["']?Secret\b""", text, re.MULTILINE):
        return "Kubernetes Secret"
    return None


def read_kubernetes(text: str) -> Iterator[Field]:
    """The fields that hold or name certificates and keys.

    Raises:
        ValueError: it is written in a way that is not read here.
    """
    if text.lstrip()[:1] == "{":
        try:
            document = json.loads(text)
        except ValueError as error:
            raise ValueError(f"it is not JSON ({error})") from None
        scalars = list(_of_json(document, (), ""))
    else:
        scalars = list(_of_yaml(text))
    names = {place: value for place, key, value in scalars if key == "name"}
    for place, key, value in scalars:
        label = _label(place, names)
        if key in _FILES and value:
            yield Field(label, key, path=value)
        elif key in (*_DATA, *_SECRET) and value:
            yield _decoded(label, key, value)


def _decoded(label: str, key: str, value: str) -> Field:
    if "-----BEGIN" in value:  # stringData
        return Field(label, key, value.encode())
    try:
        return Field(label, key, base64.b64decode("".join(value.split()), validate=True))
    except (binascii.Error, ValueError) as error:
        return Field(label, key, problem=f"its value is not base64 ({str(error).lower()})")


#: A scalar: the path of the mapping it is in, its key, and its value.
_Scalar = tuple[tuple[str, ...], str, str]


def _label(place: tuple[str, ...], names: Mapping[tuple[str, ...], str]) -> str:
    """Whose a field is: the name beside it or in the mapping around it."""
    list_ = next((one for one in place if one in _LISTS), None)
    kind = _LISTS[list_] if list_ is not None else ""
    for length in range(len(place), 0, -1):
        if place[:length] in names:
            return f"{kind} {names[place[:length]]}".strip()
    return kind or names.get(("metadata",), "")


def _of_json(value: Any, place: tuple[str, ...], key: str) -> Iterator[_Scalar]:
    if isinstance(value, dict):
        inner = (*place, key) if key else place
        for name, one in value.items():
            yield from _of_json(one, inner, str(name))
    elif isinstance(value, list):
        for number, one in enumerate(value):
            yield from _of_json(one, (*place, key), str(number))
    elif isinstance(value, str):
        yield place, key, value


def _of_yaml(text: str) -> Iterator[_Scalar]:
    stack: list[tuple[int, str]] = []  # the mappings and items that a line is in: how far it is indented, and its key
    lines = text.splitlines()
    at = 0
    items = 0
    while at < len(lines):
        line = lines[at]
        at += 1
        found = _KEY_LINE.match(line.rstrip())
        if found is None:
            continue
        is_item = "-" in found["indent"]
        indent = len(found["indent"])
        first = _indent_of(line)
        while stack and stack[-1][0] >= indent:
            stack.pop()
        if is_item:
            # kubectl writes the dash as far left as the key of the sequence, so that only the item before it ends here.
            while stack and (stack[-1][0] > first or (stack[-1][0] == first and stack[-1][1].startswith("#"))):
                stack.pop()
            items += 1
            stack.append((first, f"#{items}"))
        key, value = found["key"], _without_comment(found["value"] or "")
        place = tuple(name for _, name in stack)
        if not value:
            stack.append((indent, key))
            continue
        if value[0] in "|>":
            block = []
            while at < len(lines) and (not lines[at].strip() or _indent_of(lines[at]) > (first if is_item else indent)):
                block.append(lines[at].strip())
                at += 1
            value = "\n".join(block)
        elif value[0] in "{[&*!" and key in (*_DATA, *_FILES, *_LISTS, *_SECRET, *_LISTS.values(), "data"):
            raise ValueError(f"the value of {key} is YAML that is not read here")
        yield place, key, value.strip("\"'")


def _indent_of(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _without_comment(value: str) -> str:
    value = value.strip()
    return "" if value.startswith("#") else re.split(r"\s#", value, maxsplit=1)[0].rstrip()
