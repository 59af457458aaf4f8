"""A JSON Schema of the part of SARIF 2.1.0 that the report has, by the sections of the OASIS standard that define it.

It is stricter than the standard where GitHub's code scanning is: each result has a rule, a file and a fingerprint.
"""

from __future__ import annotations

from typing import Any

__all__ = ["SARIF_SCHEMA"]


def _object(required: str, **properties: Any) -> dict[str, Any]:
    """An object with these properties, of which those in the list are required, and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": {name.replace("dollar_", "$"): schema for name, schema in properties.items()},
    }


_TEXT = {"type": "string", "minLength": 1}
_MESSAGE = _object("text", text=_TEXT)  # 3.11, 3.12
_LEVEL = {"enum": ["none", "note", "warning", "error"]}  # 3.27.10
_RELATIONSHIP = _object(  # 3.53
    "target kinds",
    target=_object("id toolComponent", id=_TEXT, toolComponent=_object("name", name=_TEXT)),  # 3.52, 3.54
    kinds={"type": "array", "items": _TEXT, "uniqueItems": True},
)
_TAXONOMY = _object(  # 3.19
    "name informationUri taxa",
    name=_TEXT,
    informationUri={"type": "string", "format": "uri"},
    taxa={"type": "array", "items": _object("id name", id=_TEXT, name=_TEXT, shortDescription=_MESSAGE), "minItems": 1},
)
_RULE = _object(  # 3.49
    "id shortDescription fullDescription help defaultConfiguration properties",
    id=_TEXT,
    shortDescription=_MESSAGE,
    fullDescription=_MESSAGE,
    help=_MESSAGE,
    relationships={"type": "array", "items": _RELATIONSHIP, "minItems": 1, "uniqueItems": True},
    defaultConfiguration=_object("level", level=_LEVEL),
    properties={"type": "object", "properties": {"tags": {"type": "array", "items": _TEXT, "uniqueItems": True}}},
)
_LOCATION = _object(  # 3.28
    "physicalLocation logicalLocations",
    physicalLocation=_object(  # 3.29
        "artifactLocation region",
        artifactLocation=_object("uri", uri={"type": "string", "pattern": "^[^/:][^:]*$"}),  # 3.4, a relative one
        region=_object("startLine", startLine={"type": "integer", "minimum": 1}),  # 3.30
    ),
    logicalLocations={  # 3.33
        "type": "array",
        "minItems": 1,
        "items": _object("fullyQualifiedName kind", fullyQualifiedName=_TEXT, kind=_TEXT),
    },
)
_RESULT = _object(  # 3.27
    "ruleId ruleIndex level kind message locations partialFingerprints properties",
    ruleId=_TEXT,
    ruleIndex={"type": "integer", "minimum": 0},
    level=_LEVEL,
    kind={"enum": ["fail"]},
    message=_MESSAGE,
    locations={"type": "array", "minItems": 1, "items": _LOCATION},
    partialFingerprints={"type": "object", "minProperties": 1, "additionalProperties": _TEXT},  # 3.27.17
    properties={"type": "object"},
)
_RUN = _object(  # 3.14
    "tool automationDetails invocations columnKind results",
    tool=_object(  # 3.18
        "driver",
        driver=_object(  # 3.19
            "name version rules", name=_TEXT, version=_TEXT, rules={"type": "array", "items": _RULE}
        ),
    ),
    automationDetails=_object("id", id=_TEXT),  # 3.17
    invocations={  # 3.20
        "type": "array",
        "items": _object(
            "executionSuccessful startTimeUtc",
            executionSuccessful={"type": "boolean"},
            startTimeUtc={"type": "string", "format": "date-time"},
        ),
    },
    taxonomies={"type": "array", "items": _TAXONOMY, "minItems": 1, "uniqueItems": True},
    columnKind={"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
    results={"type": "array", "items": _RESULT},
)

SARIF_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    **_object(  # 3.13
        "version runs $schema",
        dollar_schema={"type": "string", "format": "uri"},
        version={"const": "2.1.0"},
        runs={"type": "array", "minItems": 1, "maxItems": 1, "items": _RUN},
    ),
}
