"""The plugin beside others, under tricks with the clock, and what is left when it has gone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.users_suite import Run, said, write


@pytest.mark.parametrize("seed", ["1", "2"])
def test_any_order_will_do(run: Run, seed: str) -> None:
    """pytest-randomly shuffles tests and seeds `random` alike before each; keys and serials still differ."""
    run(
        """
        import pytest
        from pytest_mtls import client_cases

        SERIALS = set()

        @pytest.mark.parametrize("number", range(3))
        def test_serial(number, mtls_ca):
            serial = mtls_ca.issue_client().certificate.serial_number
            assert serial not in SERIALS
            SERIALS.add(serial)

        def test_server(mtls_server, mtls_client):
            assert mtls_client.get(mtls_server.url).ok

        @pytest.mark.mtls_cases("revoked")
        def test_case(mtls_target, mtls_client_case):
            from pytest_mtls import assert_rejected

            assert_rejected(mtls_target, mtls_client_case)
        """,
        "-p",
        "randomly",
        f"--randomly-seed={seed}",
    ).assert_outcomes(passed=5)


def test_asyncio_tests_use_the_fixtures(run: Run) -> None:
    """Servers run in threads of their own: a test that is a coroutine talks to them."""
    run(
        """
        import httpx
        import pytest

        @pytest.fixture
        def context(mtls_ca, mtls_client_cert):
            return mtls_client_cert.ssl_context(trust=mtls_ca)

        @pytest.mark.asyncio
        async def test_accepted(mtls_server, context):
            async with httpx.AsyncClient(verify=context, trust_env=False) as client:
                assert (await client.get(mtls_server.url)).json()["client"]["subject"] == "CN=client"

        @pytest.mark.asyncio
        @pytest.mark.mtls_cases("expired", "untrusted-ca")
        async def test_refused(mtls_server_factory, mtls_server_case, context):
            server = mtls_server_factory(cert=mtls_server_case)
            with server.expect_rejected(mtls_server_case.reason) as seen:
                async with httpx.AsyncClient(verify=context, trust_env=False) as client:
                    await client.get(server.url)
            assert isinstance(seen.exception, httpx.ConnectError)
        """
    ).assert_outcomes(passed=3)


def test_anyio_tests_use_the_fixtures(run: Run) -> None:
    """The same on both of anyio's backends."""
    run(
        """
        import anyio
        import pytest

        pytestmark = pytest.mark.anyio

        async def test_accepted(mtls_server, mtls_ca, mtls_client_cert):
            context = mtls_client_cert.ssl_context(trust=mtls_ca)
            with mtls_server.expect_accepted(mtls_client_cert):
                stream = await anyio.connect_tcp(
                    "127.0.0.1", mtls_server.port, tls_hostname="localhost", ssl_context=context
                )
                await stream.send(b"GET / HTTP/1.0\\r\\n\\r\\n")
                assert (await stream.receive()).startswith(b"HTTP/1.1 200")
                await stream.aclose()
        """
    ).assert_outcomes(passed=2)


def test_without_the_plugin_nothing_is_there(pytester: pytest.Pytester) -> None:
    """``-p no:mtls`` takes fixtures and marker away and imports nothing of ours."""
    write(
        pytester,
        """
        import sys

        def test_nothing_is_imported():
            assert [name for name in sys.modules if name.startswith("pytest_mtls")] == []

        def test_fixture(mtls_ca): pass
        """,
    )
    result = pytester.runpytest_subprocess("-p", "no:mtls")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["E*fixture 'mtls_ca' not found"])


def test_marker_and_fixtures_are_documented(run: Run) -> None:
    """``--markers`` and ``--fixtures`` list ours, with what they do."""
    text = said(run("", "--markers"))
    assert "@pytest.mark.mtls_cases(*patterns, exclude=()): narrow mtls_client_case or mtls_server_case" in text
    listed = said(run("", "--fixtures"))
    fixtures = re.findall(r"^(mtls_\w+)(?: \[session scope\])? -- .*\n    \S", listed, re.MULTILINE)
    assert [
        "mtls_async_client",
        "mtls_ca",
        "mtls_client",
        "mtls_client_case",
        "mtls_client_cert",
        "mtls_client_under_test",
        "mtls_est",
        "mtls_launch",
        "mtls_ocsp",
        "mtls_server",
        "mtls_server_case",
        "mtls_server_cert",
        "mtls_server_factory",
        "mtls_target",
        "mtls_untrusted_ca",
    ] == sorted(fixtures)


def test_no_file_outlives_the_run(pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The directories of private keys, of CAs that are nobody's fixture too, are gone after a run with a failure."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    write(
        pytester,
        """
        import pathlib, tempfile
        from pytest_mtls import CertificateAuthority

        def test_it(mtls_server, mtls_client, mtls_untrusted_ca):
            assert mtls_client.get(mtls_server.url).ok
            assert pathlib.Path(mtls_untrusted_ca.issue_client().key_path).exists()
            assert pathlib.Path(CertificateAuthority.create().issue_client().key_path).exists()
            assert list(pathlib.Path(tempfile.gettempdir()).glob("pytest-mtls-*"))
            assert 1 == 2
        """,
    )
    pytester.runpytest_subprocess().assert_outcomes(failed=1)
    assert [] == list(directory.iterdir())


@pytest.mark.parametrize(
    "frozen",
    [
        'freezegun.freeze_time("2020-01-01")',
        'freezegun.freeze_time("2050-01-01")',
        'time_machine.travel("2020-01-01")',
        'time_machine.travel("2020-01-01", tick=False)',
    ],
)
def test_clock_tricks_change_no_verdict(run: Run, frozen: str) -> None:
    """Under a frozen or moved clock what is minted is really valid, or really expired."""
    run(
        f"""
        import freezegun
        import pytest
        import requests
        import time_machine
        from pytest_mtls import assert_accepted, assert_rejected

        pytestmark = pytest.mark.filterwarnings("ignore:System time is way off")  # urllib3's, of what it is shown

        @pytest.mark.mtls_cases("expired", "not-yet-valid", "revoked")
        def test_cases(mtls_target, mtls_client_case):
            with {frozen}:
                assert_rejected(mtls_target, mtls_client_case)

        @{frozen}
        def test_minted_under_the_trick(mtls_ca, mtls_server, mtls_client):
            assert_accepted(mtls_server, mtls_ca.issue_client("alice"))
            assert mtls_client.get(mtls_server.url).status_code == 200
            with mtls_server.expect_rejected("expired"):
                old = mtls_ca.issue_client(not_before=-2, not_after=-1)
                requests.get(mtls_server.url, cert=old.combined_path, verify=mtls_ca.cert_path)
        """
    ).assert_outcomes(passed=4)
