"""Why a client cannot be tested, and what to do about it. No sockets here."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from pytest_mtls.conformance.client.call import PLACEHOLDERS, Client
from pytest_mtls.conformance.client.observation import Observation
from pytest_mtls.errors import ClientNotUsable
from pytest_mtls.reasons.reason import Reason
from pytest_mtls.verdict.explain import headline

__all__ = ["not_usable"]

#: What looks like a placeholder, and is none of them.
_WORD_IN_BRACES = re.compile(r"\{[a-z][a-z0-9_]*\}")
_PROXY_VARIABLES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")
_CERTIFICATES = ("{cert}", "{pem}", "{p12}")


def not_usable(client: Client, seen: Observation, variables: Mapping[str, str] = os.environ) -> ClientNotUsable:
    """The error about a client that does not do with a good server what it has to.

    Args:
        client: the client.
        seen: what became of its call for a good server.
        variables: of its environment.
    """
    return ClientNotUsable(client.name, _problem(seen), seen.call.text, _remedy(client, seen, variables))


def _problem(seen: Observation) -> str:
    if seen.call.is_over_time:
        return f"for a good server it {seen.call.ending}"
    if seen.is_accepted:
        return f"its request arrived at a good server, and it {seen.call.ending}"
    if not seen.connections:
        return f"it did not connect to a good server, and {seen.call.ending}"
    return f"it does not accept a good server: {headline(seen.verdict)}"


def _remedy(client: Client, seen: Observation, variables: Mapping[str, str]) -> str:
    unknown = [] if not client.is_program else sorted(set(_WORD_IN_BRACES.findall(client.name)) - PLACEHOLDERS)
    if unknown:
        return f"{' and '.join(unknown)} in the command stands as it is: what is filled in is {' '.join(sorted(PLACEHOLDERS))}"
    if not seen.connections:
        proxy = next((name for name in _PROXY_VARIABLES if variables.get(name)), None)
        if proxy is not None:
            return (
                f"The variable {proxy} is set, so it may have gone to that proxy: unset it, or set NO_PROXY=localhost"
            )
        return ""
    if not client.is_program:
        return ""
    reason = seen.verdict.reason
    if reason is Reason.NO_CERTIFICATE and not any(one in client.name for one in _CERTIFICATES):
        return "Give it its certificate, by {cert} and {key}, by {pem}, or by {p12} and {password}"
    if reason in (Reason.UNKNOWN_CA, Reason.SELF_SIGNED) and seen.verdict.rejected_by == "client":
        if "{ca}" not in client.name:
            return "Tell it to trust {ca}; if it can trust only a CA of its own, give that with --mtls-ca and --mtls-ca-key"
        return "It has to trust only {ca}: that it is given does not show that it is read"
    return ""
