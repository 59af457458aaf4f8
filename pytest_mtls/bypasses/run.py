"""`Trial`: every bypass against one server, with a good client before and after."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from pytest_mtls.bypasses.attempt import Attempt
from pytest_mtls.bypasses.bypass import BYPASSES, Bypass, Finding
from pytest_mtls.bypasses.ends import Ended, Verdict
from pytest_mtls.bypasses.site import Site
from pytest_mtls.client.endpoint import Endpoint
from pytest_mtls.client.protocols import PROTOCOLS
from pytest_mtls.errors import MtlsError
from pytest_mtls.verdict.explain import brief, headline
from pytest_mtls.verdict.twins import good_client

__all__ = ["NO_RULE", "Trial", "story"]

#: Why a bypass is not applicable to a server that requires nothing.
NO_RULE = "the server lets in clients without a certificate, so there is no rule to bypass"


class Trial:
    """Tries bypasses on one server.

    Args:
        target: the server. Its ``ca`` issues clients, where the key is here.
        site: what else is known of it.
        settings: those that the server claims.
        timeout: seconds for each visit.
    """

    def __init__(
        self, target: Endpoint, site: Site | None = None, *, settings: Iterable[str] = (), timeout: float = 5.0
    ) -> None:
        self.target = target
        self.site = Site() if site is None else site
        self.settings = frozenset(settings)
        self.timeout = timeout
        self._good = good_client(target, target.ca)
        self._versions: tuple[str, ...] = ()
        self._lets_in_anybody: bool | None = None
        self._obstacle_to_all = ""

    def check(self, bypass: Bypass) -> Finding:
        """Try one.

        Returns:
            What it came to, with every handshake that was done for it.
        """
        attempt = Attempt(self.target, self.site, good=self._good, timeout=self.timeout)
        verdict, note = Verdict.NOT_APPLICABLE, self._obstacle(attempt, bypass)
        if not note:
            try:
                verdict, note = self._try(attempt, bypass)
            except Ended as end:
                verdict, note = end.verdict, str(end)
                if verdict is Verdict.BYPASSED and bypass.is_of_the_rule and self._is_open(attempt):
                    verdict, note = Verdict.NOT_APPLICABLE, NO_RULE
            except MtlsError as error:
                verdict, note = Verdict.NOT_APPLICABLE, str(error)
        return Finding(bypass, verdict, note, tuple(attempt.handshakes))

    def check_all(self) -> Iterator[Finding]:
        """Try each, in the order of their definition."""
        return map(self.check, BYPASSES.values())

    def _obstacle(self, attempt: Attempt, bypass: Bypass) -> str:
        """Why it cannot be tried; empty if it can."""
        protocol = PROTOCOLS[self.target.protocol]
        if protocol.probe is not None:
            return f"protocol {protocol.name!r} has a probe of its own"
        missing = attempt.missing(bypass.needs)
        if missing:
            return f"it needs {', and '.join(missing)}"
        unclaimed = sorted(bypass.requires - self.settings)
        return f"the server does not claim {', '.join(unclaimed)}" if unclaimed else ""

    def _is_open(self, attempt: Attempt) -> bool:
        """Whether an ordinary client without a certificate gets in, so that there is no rule to get round."""
        if self._lets_in_anybody is None:
            self._lets_in_anybody = attempt.visit().accepted is True
        return self._lets_in_anybody

    def _try(self, attempt: Attempt, bypass: Bypass) -> tuple[Verdict, str]:
        if self._obstacle_to_all:
            return Verdict.NOT_APPLICABLE, f"nothing can be proved, as the first failure tells: {self._obstacle_to_all}"
        if not self._versions:
            self._versions = attempt.versions
            first = None if self._good is None or not self._versions else attempt.visit(self._good).handshake
            if first is not None and first.accepted is not True:
                self._versions = ()
        attempt.versions = self._versions
        if not self._versions:
            self._obstacle_to_all = f"a good client does not get in: {headline(attempt.handshakes[-1])}"
            return Verdict.UNDECIDED, self._obstacle_to_all
        note = bypass.check(attempt) or ""
        if self._good is not None:
            control = attempt.visit(self._good)
            if not control.accepted:
                return Verdict.UNDECIDED, f"afterwards a good client does not get in: {headline(control.handshake)}"
        return Verdict.HELD, note


def story(finding: Finding) -> str:
    """The text of a finding: the title, what happened, and the handshake that got through, or else the last one."""
    bypass = finding.bypass
    known = f" ({', '.join(bypass.cves)})" if bypass.cves else ""
    lines = [f"{finding.verdict.value}: {finding.note}", "", f"  {bypass.title}{known}", f"  {bypass.mechanism}"]
    seen = Counter(map(headline, finding.handshakes))
    lines += [f"  seen:     {verdict}" + (f" ({times} times)" if times > 1 else "") for verdict, times in seen.items()]
    through = [one for one in finding.handshakes if one.accepted] if finding.verdict is Verdict.BYPASSED else []
    lines += [f"\n{brief(handshake)}" for handshake in (through or finding.handshakes)[-1:]]
    return "\n".join(lines)
