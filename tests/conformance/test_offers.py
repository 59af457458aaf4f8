"""What a server offers: the checks of it, its inventory, and what a change of it is worth."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.conforming import https
from support.reports import validate
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Endpoint, Identity, MutualTLSServer
from pytest_mtls.client.asking import ask
from pytest_mtls.client.rate import RateLimiter
from pytest_mtls.conformance.inventory import ask_version, compared, offer_for, take_inventory
from pytest_mtls.conformance.offers import check_offer
from pytest_mtls.conformance.policy import SERVER_CHECKS, ExpectedException, Policy, read_policy
from pytest_mtls.conformance.run import Outcome
from pytest_mtls.errors import InvalidPolicy

Factory = Callable[..., MutualTLSServer]


@contextmanager
def openssl_server(ca: CertificateAuthority, *options: str) -> Iterator[Endpoint]:
    """``openssl s_server``, which can do what Python's servers cannot."""
    program = require_program("openssl", apt="openssl")
    server = ca.issue_server()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [str(program), "s_server", "-accept", f"127.0.0.1:{port}", "-cert", server.combined_path]
    command += ["-cert_chain", server.cert_path, "-CAfile", ca.cert_path, "-quiet", *options]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet) as running:
        try:
            end = time.monotonic() + 60
            while True:
                assert running.poll() is None, "openssl s_server ended"
                try:
                    socket.create_connection(("127.0.0.1", port), 1).close()
                    break
                except OSError:
                    assert time.monotonic() < end
            yield Endpoint("127.0.0.1", port, trust=ca, ca=ca, server_name="localhost")
        finally:
            running.kill()


OLD = ("-tls1", "-cipher", "ALL:aNULL:@SECLEVEL=0")


# --- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tls", "expected"),
    [(None, {"1.2", "1.3"}), ("1.2", {"1.2"}), ("1.3", {"1.3"})],
)
def test_versions_are_found(mtls_server_factory: Factory, tls: str | None, expected: set[str]) -> None:
    """A version is offered if the server chooses it, whether it requires a certificate or not."""
    target = https(mtls_server_factory(tls=tls))
    assert expected == {one for one in ("1.0", "1.1", "1.2", "1.3") if ask_version(target, one).is_taken}


def test_old_version_is_refused_by_default(mtls_ca: CertificateAuthority, mtls_server: MutualTLSServer) -> None:
    """A server that speaks TLS 1.0 fails, whatever was claimed of it; ours does not, and passes (RFC 8996)."""
    with openssl_server(mtls_ca, *OLD) as target:
        result = check_offer(target, Policy(), "tls-1.0")
        assert (Outcome.DEVIATES, "accepted") == (result.outcome, result.seen)
        assert "the server speaks TLS 1.0, which nobody should any more" == result.note
        assert "RFC 8996" in result.story()
        agreed = Policy(exceptions=(ExpectedException("check[tls-1.0]", "fails", "till pumps, until June"),))
        assert Outcome.EXCEPTED is check_offer(target, agreed, "tls-1.0").outcome
        gone = check_offer(https(mtls_server), agreed, "tls-1.0")
        assert Outcome.EXCEPTION_GONE is gone.outcome
        assert "(till pumps, until June), which no longer happens: remove that" in gone.note
    assert Outcome.CONFORMS is check_offer(https(mtls_server), Policy(), "tls-1.0").outcome


@pytest.mark.parametrize(
    ("claimed", "spoken", "outcomes"),
    [
        (None, "1.2", {"tls-1.1": "conforms", "tls-1.2": "reported", "tls-1.3": "reported"}),
        ({"1.2", "1.3"}, None, {"tls-1.1": "conforms", "tls-1.2": "conforms", "tls-1.3": "conforms"}),
        ({"1.2", "1.3"}, "1.2", {"tls-1.1": "conforms", "tls-1.2": "conforms", "tls-1.3": "deviates"}),
        ({"1.3"}, None, {"tls-1.1": "conforms", "tls-1.2": "deviates", "tls-1.3": "conforms"}),
    ],
)
def test_claimed_versions_are_all_that_is_offered(
    mtls_server_factory: Factory, claimed: set[str] | None, spoken: str | None, outcomes: dict[str, str]
) -> None:
    """What is claimed must be offered, and nothing else may be."""
    target = https(mtls_server_factory(tls=spoken))
    policy = Policy(versions=None if claimed is None else frozenset(claimed))
    assert outcomes == {name: check_offer(target, policy, name).outcome.value for name in outcomes}


def test_server_that_is_not_there_is_no_verdict() -> None:
    """A check that cannot connect fails and says so, and does not say that nothing weak is offered."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        target = Endpoint("127.0.0.1", taken.getsockname()[1])
        for name in ("tls-1.0", "weak-cipher-suites"):
            result = check_offer(target, Policy(), name)
            assert (Outcome.DEVIATES, "undecided") == (result.outcome, result.seen)
            assert result.note.startswith("there is no verdict: cannot connect to 127.0.0.1:")
        assert Outcome.LEFT_OUT is check_offer(target, Policy(), "server-certificate-expires-soon").outcome
        assert {} == {name: found for name, found in take_inventory(target).items() if found}


def test_server_that_is_no_tls_or_silent_is_no_verdict() -> None:
    """Who says nothing, or something else than TLS, has not declined."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = Endpoint(*listener.getsockname()[:2])
        answer = ask(target, offer_for(target, "1.3"), timeout=0.2)
        assert (None, "no answer in time") == (answer.choice, answer.error)


# --- suites and the certificate --------------------------------------------------------------------------------------


def test_weak_suites_fail(mtls_ca: CertificateAuthority, mtls_server: MutualTLSServer) -> None:
    """A server that takes an anonymous suite fails, by the suite's name; ours takes none."""
    with openssl_server(mtls_ca, "-cipher", "ALL:aNULL:@SECLEVEL=0") as target:
        result = check_offer(target, Policy(), "weak-cipher-suites")
        assert Outcome.DEVIATES is result.outcome
        assert result.note.startswith("the server takes A")
    assert Outcome.CONFORMS is check_offer(https(mtls_server), Policy(), "weak-cipher-suites").outcome


@pytest.mark.parametrize(
    ("days", "outcome", "seen"),
    [(None, "reported", "lasts"), (4.0, "conforms", "lasts"), (6.0, "deviates", "ends soon")],
)
def test_certificate_that_ends_soon_fails(
    mtls_server_factory: Factory, mtls_ca: CertificateAuthority, days: float | None, outcome: str, seen: str
) -> None:
    """By the policy's days, and the first of the chain to end counts; without them, the report has when it ends."""
    middle = mtls_ca.intermediate("middle", not_after=5.5)
    target = https(mtls_server_factory(cert=middle.issue_server(not_after=20)))
    result = check_offer(target, Policy(expiry_days=days), "server-certificate-expires-soon")
    assert (outcome, seen) == (result.outcome.value, result.seen)
    assert "CN=middle" in result.note
    assert "ends in 5 days" in result.note


def test_policy_has_versions_and_days(tmp_path: Path) -> None:
    """They are read from TOML; what cannot be is a typed error."""
    path = tmp_path / "policy.toml"
    exception = '[[exceptions]]\ncheck = "tls-1.1"\nreason = "old pumps"\n'
    path.write_text(f'versions = ["1.2", "1.3"]\nexpiry_days = 30\n{exception}', encoding="utf-8")
    policy = read_policy(path, None)
    assert (frozenset({"1.2", "1.3"}), 30.0) == (policy.versions, policy.expiry_days)
    assert (ExpectedException("check[tls-1.1]", "fails", "old pumps"),) == policy.exceptions
    for text, problem in (
        ("versions = []", "versions is empty: a server has to offer one"),
        ("versions = [1.2]", "a TLS version is 1.2, and must be one of 1.0, 1.1, 1.2, 1.3"),
        ("versions = '1.2'", "versions is '1.2', and must be a list"),
        ("expiry_days = '30'", "expiry_days is '30', and must be a number of days"),
        ("expiry_days = -1", "expiry_days is -1, and must be a number of days"),
        ("[[exceptions]]\ncheck = 'tls-1.4'\nreason = 'x'", "a check is 'tls-1.4', and must be one of tls-1.0"),
    ):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidPolicy) as caught:
            read_policy(path, None)
        assert problem in str(caught.value)


# --- the inventory ---------------------------------------------------------------------------------------------------


def test_inventory_is_what_was_set_up(mtls_ca: CertificateAuthority) -> None:
    """Versions, suites, groups, CA names, tickets and the certificate are those that the server was started with."""
    options = [
        *("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA", "-groups", "P-384:P-256"),
        *("-Verify", "1", "-client_sigalgs", "ECDSA+SHA256:RSA+SHA384"),
    ]
    with openssl_server(mtls_ca, *options) as target:
        found = take_inventory(target)
    assert ["1.2"] == found["versions"]
    assert ["ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-GCM-SHA384"] == found["cipher suites"]
    assert ["secp256r1", "secp384r1"] == found["groups"]
    assert ["ecdsa_secp256r1_sha256", "rsa_pkcs1_sha384"] == found["signature algorithms"]
    assert [mtls_ca.subject] == found["CA names"]
    assert ["1.2"] == found["session tickets"]
    assert "CN=localhost" == found["certificate"][0]
    assert "key EC secp256r1, signed with ecdsa-with-SHA256" == found["certificate"][3]


def test_inventory_of_tls13(mtls_ca: CertificateAuthority) -> None:
    """Under TLS 1.3 suites and groups are found without a key share."""
    options = (
        "-tls1_3",
        "-ciphersuites",
        "TLS_AES_128_GCM_SHA256",
        "-groups",
        "P-256:P-521",
        "-alpn",
        "h2",
        "-no_ticket",
    )
    with openssl_server(mtls_ca, *options) as target:
        found = take_inventory(replace(target, protocol="https"))
    assert (["1.3"], ["TLS_AES_128_GCM_SHA256"], ["secp256r1", "secp521r1"], ["h2"]) == tuple(
        found[name] for name in ("versions", "cipher suites", "groups", "ALPN")
    )


def test_inventory_agrees_with_another_stack(mtls_ca: CertificateAuthority) -> None:
    """What ``gnutls-cli`` gets with each suite that was found alone is that suite: another stack than OpenSSL's agrees."""
    gnutls = require_program("gnutls-cli", apt="gnutls-bin")
    with openssl_server(
        mtls_ca, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256"
    ) as target:
        found = take_inventory(target)["cipher suites"]
        for suite, priority in (
            ("ECDHE-ECDSA-AES256-GCM-SHA384", "+AES-256-GCM"),
            ("ECDHE-ECDSA-AES128-GCM-SHA256", "+AES-128-GCM"),
            ("", "+CHACHA20-POLY1305"),
        ):
            words = f"NONE:+VERS-TLS1.2:+ECDHE-ECDSA:{priority}:+AEAD:+SIGN-ALL:+GROUP-ALL:+COMP-NULL"
            command = [str(gnutls), "--insecure", "--priority", words, "-p", str(target.port), target.host]
            done = subprocess.run(command, input="", capture_output=True, text=True, timeout=30)
            assert (suite in found) == ("Handshake was completed" in done.stdout), done.stdout + done.stderr


@pytest.mark.slow
def test_inventory_agrees_with_testssl(mtls_ca: CertificateAuthority, tmp_path: Path) -> None:
    """testssl.sh, run as a program, finds the same versions, cipher suites and groups."""
    testssl = require_program("testssl", apt="testssl.sh")
    report = tmp_path / "testssl.json"
    suites = "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA"
    with openssl_server(mtls_ca, "-cipher", suites, "-groups", "P-384:P-256", "-Verify", "1") as target:
        found = take_inventory(target)
        command = [str(testssl), "--quiet", "--warnings", "batch", "--color", "0", "-p", "-E", "-f"]
        command += ["--jsonfile", str(report), f"{target.host}:{target.port}"]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=200)
    told = {one["id"]: one["finding"] for one in json.loads(report.read_text(encoding="utf-8"))}
    names = {"TLS1": "1.0", "TLS1_1": "1.1", "TLS1_2": "1.2", "TLS1_3": "1.3"}
    assert [version for id, version in names.items() if told[id].startswith("offered")] == found["versions"]
    their_suites = {finding.split()[3] for id, finding in told.items() if id.startswith("cipher-tls")}
    assert their_suites == set(found["cipher suites"])
    same = {"prime256v1": "secp256r1"}
    curves = {same.get(name, name) for name in told["PFS_ECDHE_curves"].split()}
    assert curves == set(found["groups"])


def test_inventory_keeps_the_rate(mtls_server: MutualTLSServer) -> None:
    """Each of its connections waits for its turn."""
    turns = []

    class Counted(RateLimiter):
        def wait(self) -> None:
            turns.append(1)
            super().wait()

    before = len(mtls_server.handshakes)
    take_inventory(https(mtls_server, rate_limiter=Counted(10_000)))
    assert 10 < len(turns) < 80
    assert len(mtls_server.handshakes) - before <= len(turns)


@pytest.mark.parametrize(
    ("kind", "old", "new", "expected"),
    [
        ("versions", "1.2 1.3", "1.2", [("weaker", "versions: no longer 1.3")]),
        ("versions", "1.2", "1.2 1.3", [("stronger", "versions: now 1.3")]),
        ("versions", "1.2", "1.0 1.2", [("weaker", "versions: now 1.0")]),
        ("versions", "1.2 1.3", "1.3", [("stronger", "versions: no longer 1.2")]),
        ("cipher suites", "A", "A RC4-SHA", [("weaker", "cipher suites: now RC4-SHA")]),
        (
            "cipher suites",
            "A RC4-SHA",
            "A B",
            [("changed", "cipher suites: now B"), ("stronger", "cipher suites: no longer RC4-SHA")],
        ),
        ("signature algorithms", "ed25519", "ed25519 ecdsa_sha1", [("weaker", "signature algorithms: now ecdsa_sha1")]),
        ("CA names", "CN=a", "CN=a CN=b", [("weaker", "CA names: now CN=b")]),
        ("CA names", "CN=a CN=b", "CN=a", [("changed", "CA names: no longer CN=b")]),
        ("groups", "x25519", "x448", [("changed", "groups: now x448"), ("changed", "groups: no longer x25519")]),
        ("certificate", "CN=a", "CN=b", [("changed", "certificate: CN=a -> CN=b")]),
        ("ALPN", "h2", "h2", []),
    ],
)
def test_changes_of_an_inventory(kind: str, old: str, new: str, expected: list[tuple[str, str]]) -> None:
    """What opens a way is weaker, what closes one is stronger, and the rest is told."""
    assert expected == list(compared({kind: old.split()}, {kind: new.split()}))
    assert [] == list(compared({}, {kind: new.split()}))


# --- as users run it -------------------------------------------------------------------------------------------------


INI = "[pytest]\naddopts = --strict-markers --strict-config -p mtls -p no:cacheprovider\nfilterwarnings = error\n"


@pytest.fixture
def conform(
    pytester: pytest.Pytester, tmp_path: Path, mtls_ca: CertificateAuthority, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., pytest.RunResult]:
    """Run the conformance tests of what a server offers."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini(INI)
    mtls_ca.write_to(tmp_path, name="ca")
    mtls_ca.issue_client().write_to(tmp_path, name="client")

    def run(target: str, *options: str) -> pytest.RunResult:
        return pytester.runpytest(
            "--pyargs", "pytest_mtls.conformance", f"--mtls-target={target}", f"--mtls-ca={tmp_path}", *options
        )

    return run


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "2")], ids=["alone", "xdist"])
def test_run_has_offers_and_inventory(
    conform: Callable[..., pytest.RunResult],
    mtls_server: MutualTLSServer,
    pytester: pytest.Pytester,
    options: tuple[str, ...],
) -> None:
    """They are in every report and in the baseline, and a server as it should be passes."""
    reports = [f"--mtls-report=r.{ending}" for ending in ("json", "html", "md", "sarif")]
    url = f"https://localhost:{mtls_server.port}"
    result = conform(url, "-m", "mtls_offers", *reports, "--mtls-baseline=b.json", "--mtls-baseline-update", *options)
    result.assert_outcomes(passed=len(SERVER_CHECKS) + 1, deselected=result.parseoutcomes().get("deselected", 0))
    report: dict[str, Any] = json.loads((pytester.path / "r.json").read_text(encoding="utf-8"))
    validate(report)
    assert ["1.2", "1.3"] == report["inventory"]["versions"]
    assert [f"check[{name}]" for name in SERVER_CHECKS] == [one["case"] for one in report["results"]]
    for ending in ("html", "md"):
        assert "TLS_AES_256_GCM_SHA384" in (pytester.path / f"r.{ending}").read_text(encoding="utf-8").replace("\\", "")
    baseline = json.loads((pytester.path / "b.json").read_text(encoding="utf-8"))
    assert report["inventory"] == baseline["inventory"]
    again = conform(url, "-m", "mtls_offers", "--mtls-baseline=b.json", *options)
    again.stdout.fnmatch_lines(["nothing changed"])


def test_lost_version_is_one_line(
    conform: Callable[..., pytest.RunResult], mtls_server_factory: Factory, mtls_client_cert: Identity
) -> None:
    """A server that dropped TLS 1.3 is red with one line, though a hundred checks are left out for it."""
    chosen = ("-k", "offer or inventory or expired", "--mtls-baseline=b.json")
    conform(f"https://localhost:{mtls_server_factory().port}", *chosen, "--mtls-baseline-update")
    result = conform(f"https://localhost:{mtls_server_factory(tls='1.2').port}", *chosen)
    assert pytest.ExitCode.TESTS_FAILED == result.ret
    weaker = [line for line in result.outlines if line.startswith("weaker:")]
    assert ["weaker: versions: no longer 1.3"] == weaker


def test_quiet_run_counts_what_was_left_out(
    conform: Callable[..., pytest.RunResult], mtls_server_factory: Factory
) -> None:
    """Under ``-q`` too, the end of the run says how many checks were left out, and why."""
    server = mtls_server_factory(tls="1.2")
    result = conform(f"https://localhost:{server.port}", "-q", "-k", "client[expired-tls")
    result.stdout.fnmatch_lines(
        ["1 left out: the server does not speak TLS 1.3", "2 checks: 1 as expected, 1 left out"]
    )
