"""The table ``site`` of a policy, and bypasses as tests of conformance."""

from __future__ import annotations

import os
import ssl
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from support.bypass_scenarios import Kit
from support.bypassed_server import Door, chooses, wraps

from pytest_mtls import CertificateAuthority, Endpoint
from pytest_mtls.bypasses import BYPASSES, Finding, Site, Trial, Verdict
from pytest_mtls.conformance.bypassing import check_bypass
from pytest_mtls.conformance.policy import Policy, read_policy
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.errors import InvalidPolicy

# Runs of pytest inside this process forget what they imported; see users_suite.
for _name in ("conformance.target", "conformance.hooks", "conformance.test_bypasses", "conformance.test_clients"):
    import_module(f"pytest_mtls.{_name}")


def read(tmp_path: Path, text: str) -> Policy:
    path = tmp_path / "policy.toml"
    path.write_text(text, encoding="utf-8")
    return read_policy(path, None)


def test_all_of_a_site_is_read(tmp_path: Path) -> None:
    """Names, paths, files, listeners and the command that revokes."""
    ca = CertificateAuthority.create()
    files = ca.write_to(tmp_path, name="ca")
    client = ca.issue_client("client")
    (tmp_path / "client.pem").write_bytes(client.pem)
    site = read(
        tmp_path,
        f"""
        [site]
        names = ["a.example"]
        other_name = "b.example"
        other_client = {str(tmp_path / "client.pem")!r}
        public_name = "www.example"
        public_path = "/"
        protected_path = "/admin"
        echo_path = "/headers"
        identity_headers = ["X-Client-DN"]
        allowed_name = "alice.example"
        server_ca = {files.cert!r}
        server_ca_key = {files.key!r}
        listeners = ["https://localhost:9443"]
        revoke = ["cp", "{{cert}}", {str(tmp_path / "revoked.pem")!r}]
        """,
    ).site
    unset = {field.name for field in fields(Site) if not getattr(site, field.name)}
    assert {"was_reached"} == unset
    assert (("a.example",), client.certificate) == (site.names, site.other_client and site.other_client.certificate)
    assert (Endpoint("localhost", 9443, "https", strict=False),) == site.listeners
    if os.name != "nt":
        assert site.revoke is not None
        site.revoke(client)
        assert client.cert_pem == (tmp_path / "revoked.pem").read_bytes()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("site = 1", "site is not a table"),
        ("[site]\nwas_reached = 1", "site has an unknown 'was_reached'"),
        ("[site]\nnames = 'a'", "names is 'a', and must be a list"),
        ("[site]\nnames = [1]", r"names of site is \[1\], and must be a list of texts"),
        ("[site]\npublic_name = 1", "the public_name of site is 1, and must be a text"),
        ("[site]\nother_client = 'absent.pem'", "site: .*absent.pem"),
        ("[site]\nlisteners = ['localhost']", "site: .*localhost"),
        ("[site]\nserver_ca = 'ca.pem'", "the server_ca_key of site is None, and must be a text"),
        ("exceptions = [{bypass = 'older', reason = 'x'}]", "a bypass is 'older', and must be one of"),
        ("exceptions = [{bypass = 'older-version'}]", "the reason of an exception is None"),
        (
            "exceptions = [{bypass = 'older-version', seen = 'held', reason = 'x'}]",
            "an exception of a bypass has an unknown 'seen'",
        ),
    ],
)
def test_site_that_cannot_be_is_a_typed_error(tmp_path: Path, text: str, problem: str) -> None:
    """It names the source and what is wrong."""
    with pytest.raises(InvalidPolicy, match=problem):
        read(tmp_path, text)


class Fixed(Trial):
    """One that has found what a test is about."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict

    def check(self, bypass: Any) -> Finding:
        return Finding(bypass, self.verdict, "so it was")


@pytest.mark.parametrize(
    ("verdict", "agreed", "outcome"),
    [
        (Verdict.HELD, False, Outcome.CONFORMS),
        (Verdict.BYPASSED, False, Outcome.DEVIATES),
        (Verdict.UNDECIDED, False, Outcome.DEVIATES),
        (Verdict.NOT_APPLICABLE, False, Outcome.LEFT_OUT),
        (Verdict.HELD, True, Outcome.EXCEPTION_GONE),
        (Verdict.BYPASSED, True, Outcome.EXCEPTED),
        (Verdict.UNDECIDED, True, Outcome.DEVIATES),
        (Verdict.NOT_APPLICABLE, True, Outcome.LEFT_OUT),
    ],
)
def test_outcome_by_the_policy(tmp_path: Path, verdict: Verdict, agreed: bool, outcome: Outcome) -> None:
    """An exception excuses a bypass, is strict, and excuses nothing else."""
    policy = read(tmp_path, "exceptions = [{bypass = 'older-version', reason = 'being replaced'}]" if agreed else "")
    result = check_bypass(Fixed(verdict), policy, BYPASSES["older-version"])
    assert outcome is result.outcome
    assert ("bypass[older-version]", verdict.value) == (result.facts()["case"], result.facts()["seen"])


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
def test_conformance_tries_them(pytester: pytest.Pytester, tmp_path: Path) -> None:
    """Each is a test of its name: it passes, fails with the story, is an expected failure, or skips with the reason."""
    kit = Kit()
    files = kit.ca.write_to(tmp_path, name="ca")
    policy = tmp_path / "policy.toml"
    policy.write_text("exceptions = [{bypass = 'no-server-name', reason = 'being replaced'}]", encoding="utf-8")
    required, lax = kit.required, kit.lax

    def choose(hello: bytes) -> ssl.SSLContext:
        first_record = hello[: 5 + int.from_bytes(hello[3:5], "big")]
        return required if b"localhost" in first_record else lax

    with Door(kit.ca, chooses(choose)) as door:
        options = ["--mtls-target", f"https://127.0.0.1:{door.endpoint.port}", "--mtls-server-name", "localhost"]
        options += ["--mtls-ca", files.cert, "--mtls-ca-key", str(files.key), "--mtls-policy", str(policy)]
        chosen = "older-version or no-server-name or split-client-hello or every-listener"
        result = pytester.runpytest(
            "--pyargs",
            "pytest_mtls.conformance",
            "-m",
            "mtls_bypasses",
            "-k",
            chosen,
            "-p",
            "no:randomly",
            "-p",
            "no:asyncio",
            *options,
        )
    outcomes = result.parseoutcomes()
    assert (1, 1, 1, 1) == tuple(outcomes[name] for name in ("passed", "failed", "xfailed", "skipped"))
    result.stdout.re_match_lines_random(
        [
            r"bypassed: a client without a certificate whose ClientHello comes in several records over TLS 1.2 got .*",
            r"bypass\[older-version\] +- +held +held .*",
            r"bypass\[split-client-hello\] +- +held +bypassed .*FAILED.*",
            r"bypass\[no-server-name\] +- +held +bypassed .*as agreed: being replaced",
        ]
    )


def test_without_the_rule_nothing_gets_round_it() -> None:
    """Where any client gets in, a bypass of the target's own rule is not applicable, and the note says why."""
    kit = Kit()
    with Door(kit.ca, wraps(kit.optional)) as door:
        trial = Trial(door.endpoint)
        found = [trial.check(BYPASSES[name]) for name in ("no-server-name", "split-client-hello")]
    note = "the server lets in clients without a certificate, so there is no rule to bypass"
    assert [(Verdict.NOT_APPLICABLE, note)] * 2 == [(one.verdict, one.note) for one in found]
