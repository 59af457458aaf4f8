"""The report for machines: the document as it is. Its JSON Schema is docs/schemas/report-2.json."""

from __future__ import annotations

import json

from pytest_mtls.conformance.reports.document import Document

__all__ = ["as_json"]


def as_json(document: Document) -> str:
    """The document as JSON, in ASCII."""
    return json.dumps(document, indent=2) + "\n"
