"""A handshake drawn as a ladder: an SVG with a line for each side, and an arrow for each message.

Colours and fonts are the page's: the drawing has classes only, so that it follows dark mode and print.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

__all__ = ["ladder"]

_WIDTH = 520
_LEFT, _RIGHT = 70, _WIDTH - 70
_TOP, _STEP = 58, 30
#: A text over an arrow is cut after so many characters; the whole of it is its tooltip.
_LONGEST = 52


def ladder(handshake: Mapping[str, Any]) -> str:
    """The SVG of a handshake, as `pytest_mtls.conformance.reports.evidence.handshake_facts` has it.

    A dashed arrow is what the application said inside TLS; a cross at its tip ends the handshake.
    """
    messages = handshake["messages"]
    end = _TOP + _STEP * len(messages)
    height = end + 46
    steps = "; ".join(f"{message['from']}: {message['text']}" for message in messages) or "no messages were seen"
    label = escape(f"{_conclusion(handshake)}. Messages: {steps}")
    middle = _WIDTH // 2
    sides = "".join(
        f'<rect class="side" x="{x - 46}" y="6" width="92" height="26" rx="6"/>'
        f'<text class="side" x="{x}" y="24">{name}</text><path class="life" d="M{x} 32V{end}"/>'
        for x, name in ((_LEFT, "client"), (_RIGHT, "server"))
    )
    arrows = "".join(_arrow(message, _TOP + _STEP * number) for number, message in enumerate(messages))
    conclusion = escape(_conclusion(handshake))
    return (
        f'<svg class="ladder" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img" '
        f'aria-label="{label}">{sides}{arrows}'
        f'<text class="end {escape(handshake["verdict"])}" x="{middle}" y="{end + 26}">{conclusion}</text></svg>'
    )


def _arrow(message: Mapping[str, Any], y: int) -> str:
    begin, tip = (_LEFT, _RIGHT) if message["from"] == "client" else (_RIGHT, _LEFT)
    forward = 1 if begin < tip else -1
    ends = bool(message.get("ends"))
    tip -= forward * (14 if ends else 3)
    # The head is drawn apart, so that it is whole where the line is dashed.
    head = (
        f"M{tip - 6} {y - 6}l12 12m0-12l-12 12"
        if ends
        else f"M{tip - forward * 8} {y - 5}L{tip} {y}L{tip - forward * 8} {y + 5}"
    )
    kinds = " ".join(kind for kind, is_so in (("ends", ends), ("inside", bool(message.get("inside")))) if is_so)
    text = message["text"]
    cut = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    whole = f"<title>{escape(text)}</title>" if cut != text else ""
    return (
        f'<g class="message {kinds}">{whole}<path class="line" d="M{begin} {y}H{tip}"/><path d="{head}"/>'
        f'<text x="{_WIDTH // 2}" y="{y - 6}">{escape(cut)}</text></g>'
    )


def _conclusion(handshake: Mapping[str, Any]) -> str:
    """How it ended, in a few words."""
    verdict = handshake["verdict"]
    if verdict == "accepted":
        return "Both sides accepted"
    if verdict == "undecided":
        return "There was no verdict"
    by = handshake.get("rejected_by")
    if by is None:
        return "Rejected, and it is not known by whom"
    return f"The {by} rejected the {'server' if by == 'client' else 'client'}"
