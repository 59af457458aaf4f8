"""The reference of bypasses, made of their docstrings and of what they need."""

from __future__ import annotations

from pytest_mtls.bypasses import BYPASSES
from pytest_mtls.bypasses.site import DESCRIPTIONS


def as_markdown() -> str:
    """One section a bypass."""
    lines = []
    for bypass in BYPASSES.values():
        lines += [f"## `{bypass.id}`", "", f"**{bypass.title}**", "", bypass.mechanism, ""]
        if bypass.cves:
            lines += [f"Found in: {', '.join(bypass.cves)}.", ""]
        if bypass.needs:
            needs = "; ".join(f"{DESCRIPTIONS[name]} (`{name}`)" for name in bypass.needs)
            lines += [f"Needs: {needs}.", ""]
        if bypass.requires:
            claimed = ", ".join(f"`{setting}`" for setting in sorted(bypass.requires))
            lines += [f"Tried only on a server that claims the setting {claimed}.", ""]
    return "\n".join(lines)
