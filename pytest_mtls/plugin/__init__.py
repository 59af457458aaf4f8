"""The pytest plugin ``mtls``: fixtures, the marker, options, and the section on failing tests.

Every other module is imported when a fixture, the marker or a public name is used, and not before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

import pytest

from pytest_mtls.plugin.life import mtls_est, mtls_ocsp

if TYPE_CHECKING:
    import httpx
    import requests
    from _pytest.mark.structures import ParameterSet

    from pytest_mtls import (
        Case,
        CertificateAuthority,
        ClientUnderTest,
        Endpoint,
        Identity,
        LaunchedServer,
        MutualTLSServer,
    )

__all__ = ["client_cases", "mtls_est", "mtls_ocsp", "run_ca", "server_cases"]

_SERVERS = pytest.StashKey[list[Any]]()
_CASE_FIXTURES: dict[str, Literal["client", "server"]] = {"mtls_client_case": "client", "mtls_server_case": "server"}
_MARKER = "mtls_cases"
_PROPERTY = "mtls_handshake"
_NO_CLIENT = (
    "no client is under test. Give --mtls-client 'COMMAND {url}', or override the fixture mtls_client_under_test by "
    "`with pytest_mtls.launch_client(call, ca=mtls_ca) as client: yield client`"
)
#: That of our own ``mtls_client_cert``.
_CLIENT_SUBJECT = "CN=client"


# --- cases -----------------------------------------------------------------------------------------------------------


def client_cases(*patterns: str, exclude: str | Iterable[str] = ()) -> list[ParameterSet]:
    """The catalogue's clients, for `pytest.mark.parametrize`.

    Args:
        *patterns: globs over case ids; all bad clients without one.
        exclude: a glob or several; what they match is left out.

    Returns:
        A list of ``pytest.param(case, id=case.id)``.

    Raises:
        UnknownCase: a pattern matches no case.
        InvalidArgument: a pattern is not a string.
    """
    return _parameters("client", patterns, exclude)


def server_cases(*patterns: str, exclude: str | Iterable[str] = ()) -> list[ParameterSet]:
    """The catalogue's servers, for `pytest.mark.parametrize`.

    Args:
        *patterns: globs over case ids; all bad servers without one.
        exclude: a glob or several; what they match is left out.

    Returns:
        A list of ``pytest.param(case, id=case.id)``.

    Raises:
        UnknownCase: a pattern matches no case.
        InvalidArgument: a pattern is not a string.
    """
    return _parameters("server", patterns, exclude)


def _parameters(
    side: Literal["client", "server"], patterns: Sequence[str], exclude: str | Iterable[str]
) -> list[ParameterSet]:
    from pytest_mtls.cases import CATALOGUE
    from pytest_mtls.errors import InvalidArgument

    if not isinstance(exclude, Iterable):
        raise InvalidArgument("exclude", exclude, "a glob pattern or several")
    return [pytest.param(case, id=case.id) for case in CATALOGUE[side].select(patterns, exclude)]


# --- one CA for the whole run ----------------------------------------------------------------------------------------

_RUN_SEED = pytest.StashKey[str]()
_RUN_CA = pytest.StashKey["CertificateAuthority"]()
_WORKER_INPUT = "mtls_seed"


def run_ca(config: pytest.Config) -> CertificateAuthority:
    """The CA of the whole run, which ``mtls_ca`` is: the same in the controller of pytest-xdist and in all its workers.

    What is issued in one process is trusted in the others. What is revoked in one is not known to the others.

    Args:
        config: as every hook and ``request.config`` have it.

    Returns:
        The CA, which is made by the first call. Its files are gone after the run.
    """
    if _RUN_CA not in config.stash:
        from pytest_mtls.certificates.seeded import authority_from_seed

        config.stash[_RUN_CA] = authority_from_seed(bytes.fromhex(_run_seed(config)))
        config.add_cleanup(config.stash[_RUN_CA].remove_files)
    return config.stash[_RUN_CA]


def _run_seed(config: pytest.Config) -> str:
    """What the CA is made from, in hex; a controller hands it to its workers long before anybody needs a CA."""
    if _RUN_SEED not in config.stash:
        handed: dict[str, str] = getattr(config, "workerinput", {})
        config.stash[_RUN_SEED] = handed.get(_WORKER_INPUT) or os.urandom(32).hex()
    return config.stash[_RUN_SEED]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput[_WORKER_INPUT] = _run_seed(node.config)


# --- options ---------------------------------------------------------------------------------------------------------

#: What is known of a server or client under test: what each option takes, and its help. All need one of the first two.
_OPTIONS: dict[str, tuple[str, str]] = {
    "--mtls-target": ("URL", "the server under test, e.g. https://localhost:8443"),
    "--mtls-client": ("COMMAND", "the client under test, e.g. 'curl --cacert {ca} --cert {cert} --key {key} {url}'"),
    "--mtls-client-timeout": ("SECONDS", "how long each call of the client under test may take; 10 by default"),
    "--mtls-ca": ("DIR|FILE", "what `pytest-mtls mint` wrote, or the certificate of the clients' CA"),
    "--mtls-ca-key": ("FILE", "the private key of that CA"),
    "--mtls-server-ca": ("FILE", "the CA of the server's own certificate, if another; or 'system'"),
    "--mtls-server-name": ("NAME", "the name to ask the server by, if not the URL's host"),
    "--mtls-client-cert": ("FILE", "certificate and key, PEM, of a client that the server accepts"),
    "--mtls-policy": ("FILE", "expected exceptions, TOML; by default [tool.pytest-mtls] of pyproject.toml"),
    "--mtls-setting": ("NAME", "a setting that the server or client claims, such as crl or strict; several times"),
    "--mtls-report": ("FILE", "write a report: .json, .html, .md or .sarif; several times"),
    "--mtls-mapping": ("", "tell in the reports which published requirements each check is evidence for"),
    "--mtls-baseline": ("FILE", "a check that got weaker than in this file is a failure"),
    "--mtls-baseline-update": ("", "write the file of --mtls-baseline"),
    "--mtls-rate": ("N", "at most N connections a second"),
    "--mtls-jobs": ("N", "check a server with N clients at once; 1 by default"),
    "--mtls-allow-remote": ("", "test a server that is not on this machine"),
}
_OPTION_KINDS: dict[str, dict[str, Any]] = {
    "--mtls-baseline-update": {"action": "store_true"},
    "--mtls-mapping": {"action": "store_true"},
    "--mtls-report": {"action": "append"},
    "--mtls-setting": {"action": "append"},
    "--mtls-rate": {"type": float},
    "--mtls-jobs": {"type": int},
    "--mtls-client-timeout": {"type": float},
    "--mtls-allow-remote": {"action": "store_true"},
}
_OF_A_CLIENT = frozenset({"--mtls-client", "--mtls-client-timeout"})
_OF_A_SERVER = frozenset(
    {
        "--mtls-allow-remote",
        "--mtls-client-cert",
        "--mtls-jobs",
        "--mtls-server-ca",
        "--mtls-server-name",
        "--mtls-target",
    }
)
#: What the conformance tests are about: the catalogue's modules, the suite's own cases, and the bypasses.
_THEMES = {
    "behaviour": "servers that are odd in what they do",
    "bypasses": "ways round client authentication",
    "common_name": "common names beside the alternative names",
    "constraints": "name constraints",
    "good": "clients that must be accepted",
    "identifiers": "key identifiers",
    "message": "malformed Certificate messages",
    "names": "odd subjects and alternative names",
    "ocsp": "clients that an OCSP responder calls revoked, or of whom it says nothing that can be believed",
    "offers": "what a server offers: versions, cipher suites, its certificate",
    "own": "the suite's own cases",
    "path": "validity, trust and the chain",
    "policies": "certificate policies",
    "possession": "clients that do not have the certificate's key",
    "proof": "CertificateVerify messages that are missing or spoilt",
    "purpose": "key usage and extended key usage",
    "revocation": "revoked clients, and CRLs that are no good",
    "shape": "odd versions, serial numbers and sizes",
    "signature": "signatures that do not hold",
    "staple": "servers whose stapled OCSP answer is missing or cannot be believed",
    "strength": "weak or rare keys and hashes",
    "syntax": "constraints and names that are not written as they should be",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("mtls", "mutual TLS of a server under test")
    for name, (metavar, help) in _OPTIONS.items():
        group.addoption(name, help=help, **({"metavar": metavar} if metavar else {}), **_OPTION_KINDS.get(name, {}))
    group.addoption("--mtls-keylog", metavar="FILE", help="add the TLS secrets of all connections, for Wireshark")


# --- hooks -----------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    # cryptography remarks on serial numbers that are bad on purpose, and a suite may make an error of every remark.
    config.addinivalue_line("filterwarnings", r"ignore:Parsed a serial number::pytest_mtls\.")
    # And on names of a peer that are too long or too short, such as a country of more than two letters.
    config.addinivalue_line("filterwarnings", "ignore:Attribute's length must be:UserWarning")
    config.addinivalue_line(
        "markers",
        f"{_MARKER}(*patterns, exclude=()): narrow mtls_client_case or mtls_server_case to the cases whose ids match "
        "one of the glob patterns and none of those in exclude.",
    )
    for theme, words in _THEMES.items():
        config.addinivalue_line("markers", f"mtls_{theme}: the conformance tests of {words}.")
    _start_key_log(config)
    _set_up_target(config)


def _start_key_log(config: pytest.Config) -> None:
    file = config.getoption("mtls_keylog", None)
    if file is not None:
        from pytest_mtls.errors import UnusableKeyLog
        from pytest_mtls.tls.keylog import start_key_log

        try:
            config.option.mtls_keylog, end = start_key_log(file)  # workers are handed the absolute path
        except UnusableKeyLog as error:
            raise pytest.UsageError(str(error)) from error
        config.add_cleanup(end)


def _set_up_target(config: pytest.Config) -> None:
    given = [name for name in _OPTIONS if config.getoption(name.strip("-").replace("-", "_"))]
    is_of_client = "--mtls-client" in given
    if given == ["--mtls-report"]:
        from pytest_mtls.plugin.suite_report import SuiteReport

        report = SuiteReport(config, lambda item: item.stash.get(_SERVERS, []))
        config.pluginmanager.register(report, "mtls-suite-report")
        return
    if not is_of_client and "--mtls-target" not in given:
        for name in given:
            if name in _OF_A_CLIENT:
                side, needed = "a client", "--mtls-client"
            elif name in _OF_A_SERVER:
                side, needed = "a server", "--mtls-target"
            else:
                side, needed = "a server or client", "--mtls-target or --mtls-client"
            raise pytest.UsageError(f"{name} is about {side} under test: it needs {needed}")
        return
    for name in given:
        if name in (_OF_A_SERVER if is_of_client else _OF_A_CLIENT):
            side, other = ("server", "--mtls-client") if is_of_client else ("client", "--mtls-target")
            raise pytest.UsageError(f"{name} is about a {side} under test: it does not go with {other}")
    module = import_module(f"pytest_mtls.conformance.{'client.hooks' if is_of_client else 'hooks'}")
    module.set_up(config)
    config.pluginmanager.register(module, "mtls-client" if is_of_client else "mtls-target")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    used = [name for name in _CASE_FIXTURES if name in metafunc.fixturenames and not _is_the_suites_own(metafunc, name)]
    markers = list(metafunc.definition.iter_markers(_MARKER))
    if not used:
        if markers and not any(name in metafunc.fixturenames for name in _CASE_FIXTURES):
            _misuse(metafunc, "the marker needs one of the fixtures mtls_client_case and mtls_server_case")
        return
    patterns: tuple[str, ...] = ()
    exclude: str | Iterable[str] = ()
    if markers:
        closest = markers[0]
        unknown = set(closest.kwargs) - {"exclude"}
        if unknown:
            _misuse(metafunc, f"unknown argument {', '.join(sorted(unknown))}: it takes glob patterns, and exclude=")
        patterns, exclude = closest.args, closest.kwargs.get("exclude", ())
    from pytest_mtls.errors import MtlsError

    for name in used:
        try:
            metafunc.parametrize(name, _parameters(_CASE_FIXTURES[name], patterns, exclude), indirect=True)
        except MtlsError as error:
            _misuse(metafunc, str(error))


def _is_the_suites_own(metafunc: pytest.Metafunc, name: str) -> bool:
    """Whether the test chooses the values of a fixture itself, or the suite has put its own instead of ours."""
    definitions = getattr(metafunc, "_arg2fixturedefs", {}).get(name, ())
    if definitions and definitions[-1].func.__module__ != __name__:
        return True
    for marker in metafunc.definition.iter_markers("parametrize"):
        names = marker.args[0] if marker.args else marker.kwargs.get("argnames", ())
        if name in (names.replace(" ", "").split(",") if isinstance(names, str) else names):
            return True
    return False


def _misuse(metafunc: pytest.Metafunc, problem: str) -> None:
    raise pytest.fail.Exception(f"{metafunc.definition.nodeid}: @pytest.mark.{_MARKER}: {problem}", False) from None


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call() -> Generator[None, object, object]:
    """Skip a test of a case that cannot be presented, with that reason."""
    try:
        return (yield)
    except Exception as error:
        if _is_ours(error) and type(error).__name__ == "CaseNotPresentable":
            pytest.skip(str(error))
        raise


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    servers, error = item.stash.get(_SERVERS, []), call.excinfo.value if call.excinfo is not None else None
    if call.when == "call":
        # JUnit XML takes the properties from the report on the teardown, which copies them from here.
        item.user_properties[:] = [(name, value) for name, value in item.user_properties if name != _PROPERTY]
        if servers:
            from pytest_mtls.plugin.summary import verdicts

            item.user_properties += [(_PROPERTY, verdict) for verdict in verdicts(servers)]
    if error is not None and _is_ours(error) and not item.config.option.fulltrace:
        from pytest_mtls.plugin.summary import hide_our_frames

        hide_our_frames(error)
    report = yield
    if report.failed and report.when != "teardown" and (servers or _is_ours(error)):
        from pytest_mtls.plugin.summary import keep_first_line, keep_last_of_chain, story

        if error is not None and _is_ours(error):
            keep_first_line(report.longrepr, error)
            if item.config.option.verbose < 2:
                keep_last_of_chain(report.longrepr, error)
        text = story(servers, error, in_full=item.config.option.verbose > 1)
        if text:
            report.sections.append(("mTLS handshakes", text))
    if report.failed and "pytest_mtls.certificates" in sys.modules:
        from pytest_mtls.plugin.secrets import hide_variables

        hide_variables(report)
    return report


def _is_ours(error: BaseException | None) -> bool:
    module = type(error).__module__
    return module == "pytest_mtls" or module.startswith("pytest_mtls.errors")


@pytest.hookimpl(trylast=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Colour a failure. A worker of pytest-xdist has sent its report by then, and nothing reads it there any more."""
    if report.failed:
        from pytest_mtls.plugin.colours import colour_facts

        colour_facts(report.longrepr)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if terminalreporter.verbosity < 1:
        return
    verdicts = [
        str(value)
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, value in getattr(report, "user_properties", ())
        if name == _PROPERTY and getattr(report, "when", "") == "call"
    ]
    if verdicts:
        from pytest_mtls.plugin.summary import count

        terminalreporter.section("mTLS handshakes", sep="-")
        for verdict, times in sorted(count(verdicts).items()):
            terminalreporter.write_line(f"{times:5} {verdict}")


# --- fixtures --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def mtls_ca(request: pytest.FixtureRequest) -> CertificateAuthority:
    """The `CertificateAuthority` that both sides trust, one for the whole run; its files are gone after it."""
    from pytest_mtls import run_ca

    return run_ca(request.config)


@pytest.fixture(scope="session")
def mtls_untrusted_ca(mtls_ca: CertificateAuthority) -> Iterator[CertificateAuthority]:
    """A CA with the same subject name as ``mtls_ca``, that nobody trusts."""
    ca = mtls_ca.impostor()
    yield ca
    ca.remove_files()


@pytest.fixture(scope="session")
def mtls_server_cert(mtls_ca: CertificateAuthority) -> Identity:
    """An `Identity` for localhost, 127.0.0.1 and ::1, one for the whole run."""
    return mtls_ca.share(mtls_ca.issue_server(), "mtls_server_cert")


@pytest.fixture(scope="session")
def mtls_client_cert(mtls_ca: CertificateAuthority) -> Identity:
    """The `Identity` of an ordinary valid client, one for the whole run."""
    return mtls_ca.share(mtls_ca.issue_client(), "mtls_client_cert")


@pytest.fixture
def mtls_server_factory(
    request: pytest.FixtureRequest,
    mtls_ca: CertificateAuthority,
    mtls_server_cert: Identity,
    mtls_client_cert: Identity,
) -> Iterator[Callable[..., MutualTLSServer]]:
    """``factory(app=None, *, cert=..., trust=..., client_certs=..., tls=..., ...)``: a running `MutualTLSServer`.

    It takes what `MutualTLSServer` takes; ``cert`` is ``mtls_server_cert`` and ``trust`` is ``mtls_ca`` by default. A suite
    that overrides ``mtls_client_cert`` with other names chooses the names of the clients of cases, as for an app that
    authorizes by name.
    Whatever it started is stopped at teardown.
    """
    from pytest_mtls import MutualTLSServer

    servers = request.node.stash[_SERVERS] = []
    with ExitStack() as started:

        def factory(app: Any = None, **options: Any) -> MutualTLSServer:
            if "trust" not in options:
                options |= {"client": _client_of_the_suite(mtls_client_cert), **options, "trust": mtls_ca}
            options.setdefault("cert", mtls_server_cert)
            server = started.enter_context(MutualTLSServer(app, **options))
            servers.append(server)
            return server

        yield factory


def _client_of_the_suite(client: Identity) -> Identity | None:
    """The client whose names the suite has chosen; None for that of our own fixture."""
    return None if client.subject == _CLIENT_SUBJECT else client


@pytest.fixture
def mtls_server(mtls_server_factory: Callable[..., MutualTLSServer]) -> MutualTLSServer:
    """A running `MutualTLSServer` that requires a client certificate, and rejects every bad client of the catalogue."""
    return mtls_server_factory()


@pytest.fixture
def mtls_client(mtls_ca: CertificateAuthority, mtls_client_cert: Identity) -> Iterator[requests.Session]:
    """A `requests.Session` with the client certificate and the trust set."""
    from pytest_mtls import clients

    with clients.requests(mtls_client_cert, mtls_ca) as session:
        yield session


@pytest.fixture
def mtls_async_client(mtls_ca: CertificateAuthority, mtls_client_cert: Identity) -> httpx.AsyncClient:
    """An `httpx.AsyncClient` with the client certificate and the trust set, for any event loop; needs httpx.

    Each request has a connection, and so a handshake, of its own: when the test's event loop is gone, nothing is open.
    """
    from pytest_mtls import clients

    return clients.httpx_async(mtls_client_cert, mtls_ca, keep_alive=False)


@pytest.fixture
def mtls_target(request: pytest.FixtureRequest) -> MutualTLSServer | Endpoint:
    """The endpoint under test: that of ``--mtls-target``, else ``mtls_server``, unless the suite overrides this fixture."""
    if request.config.getoption("mtls_target") is not None:
        from pytest_mtls.conformance.hooks import target_of

        return target_of(request.config)
    server: MutualTLSServer = request.getfixturevalue("mtls_server")
    return server


@pytest.fixture
def mtls_client_under_test(request: pytest.FixtureRequest, mtls_ca: CertificateAuthority) -> Iterator[ClientUnderTest]:
    """The client under test: that of ``--mtls-client``, unless the suite overrides this fixture by `pytest_mtls.launch_client`."""
    if request.config.getoption("mtls_client") is None:
        pytest.fail(_NO_CLIENT, pytrace=False)
    from pytest_mtls.conformance.client.hooks import client_under_test

    with client_under_test(request.config, mtls_ca) as client:
        yield client


@pytest.fixture
def mtls_launch(mtls_ca: CertificateAuthority, mtls_client_cert: Identity) -> Iterator[Callable[..., LaunchedServer]]:
    """``mtls_launch(command, ready=..., files=..., ...)``: a server under test as a subprocess, a `LaunchedServer`.

    It takes what `pytest_mtls.launch` takes; ``ca`` is ``mtls_ca`` by default, and ``client`` is ``mtls_client_cert`` where
    the suite has given that other names. Whatever it started is ended at teardown.
    """
    from pytest_mtls import launch

    with ExitStack() as started:
        client = _client_of_the_suite(mtls_client_cert)
        known = {"ca": mtls_ca} if client is None else {"ca": mtls_ca, "client": client}
        yield lambda command, **options: started.enter_context(launch(command, **known | options))


@pytest.fixture
def mtls_client_case(request: pytest.FixtureRequest) -> Case:
    """Each bad client of the catalogue in turn; ``@pytest.mark.mtls_cases("expired*")`` narrows it."""
    return _case(request)


@pytest.fixture
def mtls_server_case(request: pytest.FixtureRequest) -> Case:
    """Each bad server of the catalogue in turn; ``@pytest.mark.mtls_cases("expired*")`` narrows it."""
    return _case(request)


def _case(request: pytest.FixtureRequest) -> Case:
    case: Case = request.param
    return case
