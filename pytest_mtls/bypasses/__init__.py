"""Ways round client authentication that were found in real servers, each a check against any server."""

from __future__ import annotations

from pytest_mtls.bypasses import hosts, identity, listeners, paths, plain, sessions, versions
from pytest_mtls.bypasses.bypass import BYPASSES, Bypass, Finding, bypass
from pytest_mtls.bypasses.ends import Verdict
from pytest_mtls.bypasses.run import Trial, story
from pytest_mtls.bypasses.site import Site

__all__ = ["BYPASSES", "Bypass", "Finding", "Site", "Trial", "Verdict", "bypass", "story"]

#: Those that define bypasses, in the order of the report.
MODULES = (sessions, hosts, paths, versions, plain, identity, listeners)
