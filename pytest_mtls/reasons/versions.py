"""TLS versions: which there are, which are spoken here, and their numbers on the wire."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ALL_VERSIONS", "OLD_VERSIONS", "TLS_VERSIONS", "VERSION_NUMBERS"]

#: ``ProtocolVersion`` on the wire, RFC 8446 section 4.2.1, oldest first.
VERSION_NUMBERS: Mapping[str, int] = {"1.0": 0x0301, "1.1": 0x0302, "1.2": 0x0303, "1.3": 0x0304}

#: Oldest first.
ALL_VERSIONS = tuple(VERSION_NUMBERS)

#: Those that must not be used (RFC 8996).
OLD_VERSIONS = ("1.0", "1.1")

#: Those over which clients and servers are tested.
TLS_VERSIONS = ("1.2", "1.3")
