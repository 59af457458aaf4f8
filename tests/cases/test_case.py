"""Cases as objects: how one is made, chosen, combined, and brought along by a suite of its own."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, get_args

import pytest
from cryptography import x509

from pytest_mtls import CertificateAuthority, Identity, MutualTLSServer, Reason, Tier, assert_rejected, case, probe
from pytest_mtls.cases import CATALOGUE, Case
from pytest_mtls.cases.behaviour import ClientBehaviour, ClientMisbehaviour, ServerBehaviour, ServerMisbehaviour
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.profile import EXTENDED_KEY_USAGES
from pytest_mtls.client import misbehaving
from pytest_mtls.errors import CaseOfWrongSide, DuplicateCase, InvalidArgument, UnknownCase
from pytest_mtls.server import misbehaviour


@pytest.fixture(autouse=True)
def catalogue_as_it_was() -> Iterator[None]:
    """Whatever a test adds to the catalogue is gone afterwards."""
    before = {side: dict(catalogue._cases) for side, catalogue in CATALOGUE.items()}
    yield
    for side, catalogue in CATALOGUE.items():
        catalogue._cases = before[side]


@pytest.fixture
def ca() -> Iterator[CertificateAuthority]:
    """The CA that both sides trust."""
    authority = CertificateAuthority.create()
    yield authority
    authority.remove_files()


def client(id: str) -> Case:
    """A client case by its id."""
    (found,) = CATALOGUE["client"].select([id])
    return found


def server(id: str) -> Case:
    """A server case by its id."""
    (found,) = CATALOGUE["server"].select([id])
    return found


class TestMaking:
    """The decorator."""

    def test_from_a_function(self) -> None:
        """The name is the id, the docstring's first paragraph the summary, the module the theme."""

        @case("client", "expired", rfc="section 1")
        def some_way_to_be_bad(ca: CertificateAuthority) -> Identity:
            """It is bad in some way.

            More about it.
            """
            return ca.issue_client(not_after=-1)

        made = client("some-way-to-be-bad")
        assert ("It is bad in some way.", "test_case", (Reason.EXPIRED,), "section 1") == (
            made.summary,
            made.theme,
            made.reasons,
            made.rfc,
        )
        assert (False, Tier.MUST, Reason.EXPIRED) == (made.accepted, made.tier, made.reason)

    def test_behaviour_of_a_server(self, ca: CertificateAuthority) -> None:
        """A server does as its case says, and `reload` follows the behaviour of another case."""

        @case(
            "server", tier="informative", behaviour=ServerBehaviour(client_certs="optional", alpn=["mqtt"], tls="1.2")
        )
        def odd(ca: CertificateAuthority, leaf: Leaf) -> Identity:
            """It is odd."""
            return leaf(ca)

        assert ("1.2",) == server("odd").versions
        context = ca.issue_client().ssl_context(trust=ca)
        context.set_alpn_protocols(["mqtt", "h2"])

        def spoken() -> tuple[str | None, str | None]:
            with (
                socket.create_connection(running.address) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as sock,
            ):
                return sock.selected_alpn_protocol(), sock.version()

        with MutualTLSServer(cert=ca.issue_server(), trust=ca, alpn=["h2"], handler=lambda sock, seen: None) as running:
            before = spoken()
            running.reload(cert=server("odd"))
            after = spoken(), probe(running, None).accepted
        assert ("h2", "TLSv1.3") == before
        assert (("mqtt", "TLSv1.2"), True) == after

    def test_old_options(self) -> None:
        """What 0.1 called options still works, and says what it is called now."""
        with pytest.warns(DeprecationWarning, match=r"case\(options=\) is now called behaviour="):

            @case("server", tier="informative", options={"client_certs": "none"})
            def old(ca: CertificateAuthority, leaf: Leaf) -> Identity:
                """It is old."""
                return leaf(ca)

        assert ServerBehaviour(client_certs="none") == server("old").behaviour
        with pytest.warns(DeprecationWarning, match=r"Case\.options is now called Case\.behaviour"):
            assert {"client_certs": "none"} == server("old").options

    @pytest.mark.parametrize(
        ("side", "behaviour", "problem"),
        [
            ("server", lambda: ServerBehaviour(client_certs="maybe"), "client_certs is 'maybe'"),  # type: ignore[arg-type]
            ("server", lambda: ServerBehaviour(tls="1.1"), "tls is '1.1'"),
            ("server", lambda: ServerBehaviour(alpn="h2"), "alpn is 'h2'"),
            ("server", lambda: ServerBehaviour(misbehaviour="dance"), "misbehaviour is 'dance'"),  # type: ignore[arg-type]
            ("client", lambda: ClientBehaviour("reset"), "misbehaviour is 'reset'"),  # type: ignore[arg-type]
            ("client", lambda: ServerBehaviour(tls="1.2"), "must be None, or a ClientBehaviour"),
            ("server", lambda: ClientBehaviour("certificate verify empty"), "must be None, or a ServerBehaviour"),
            ("both", lambda: ServerBehaviour(tls="1.2"), "must be None for both sides"),
        ],
    )
    def test_behaviour_that_cannot_be(self, side: Any, behaviour: Callable[[], Any], problem: str) -> None:
        """A behaviour is checked when the case is defined; the error names the value and what there can be."""
        with pytest.raises(InvalidArgument, match=problem):
            case(side, tier="informative", behaviour=behaviour())

    @pytest.mark.filterwarnings("ignore::DeprecationWarning")
    def test_options_that_cannot_be(self) -> None:
        """So is an option."""
        with pytest.raises(InvalidArgument, match=r"options.*colour.*of client_certs, tls, alpn"):
            case("server", tier="informative", options={"colour": "red"})

    def test_every_behaviour_is_played(self) -> None:
        """The names here are those that servers and clients can play."""
        assert {*misbehaviour.MISBEHAVIOURS, misbehaviour.AFTER_HANDSHAKE} == set(get_args(ServerMisbehaviour))
        assert set(misbehaving.MISBEHAVIOURS) - {"none"} == set(get_args(ClientMisbehaviour))

    def test_for_both_sides(self, ca: CertificateAuthority) -> None:
        """A case of both sides gets the ordinary certificate of the side that it is used for."""

        @case("both", "expired")
        def over(ca: CertificateAuthority, leaf: Leaf) -> Identity:
            """It is over."""
            return leaf(ca, not_after=-1)

        for made, usage in ((client("over"), "clientAuth"), (server("over"), "serverAuth")):
            identity = made.identity(ca)
            assert identity is not None
            extension = identity.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
            assert [EXTENDED_KEY_USAGES[usage]] == list(extension.value)

    def test_holds_no_key(self, ca: CertificateAuthority) -> None:
        """What it presents is made anew at each use."""
        one, other = client("expired").identity(ca), client("expired").identity(ca)
        assert one is not None
        assert other is not None
        assert one.key_pem != other.key_pem

    def test_the_same_again(self) -> None:
        """The same function twice, as when a conftest.py is imported again, is not a clash; another one of its name is."""

        def twin(ca: CertificateAuthority) -> Identity:
            """One."""
            return ca.issue_client()

        case("client", "expired")(twin)
        case("client", "expired")(twin)

        def other(ca: CertificateAuthority) -> Identity:
            """Another."""
            return ca.issue_client()

        with pytest.raises(DuplicateCase, match="there is already a client case 'twin'"):
            case("client", "expired", id="twin")(other)

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"side": "middle"}, "side is 'middle'"),
            ({"side": "client", "reason": "bad mood"}, "reason is 'bad mood'"),
            ({"side": "client", "tier": "perhaps"}, "tier is 'perhaps'"),
            ({"side": "client", "requires": ["luck"]}, r"requires is \['luck'\]"),
        ],
        ids=["side", "reason", "tier", "requires"],
    )
    def test_misuse(self, arguments: dict[str, object], said: str) -> None:
        """An argument that is none names its value and what it may be."""
        with pytest.raises(InvalidArgument, match=said):
            case(**arguments)  # type: ignore[arg-type]


class TestChoosing:
    """Globs over ids."""

    def test_bad_ones_by_default(self) -> None:
        """Without a pattern the cases are those that any correct peer rejects."""
        chosen = CATALOGUE["client"].select()
        assert chosen
        assert {Tier.MUST} == {chosen.tier for chosen in chosen}

    def test_by_pattern_and_without(self) -> None:
        """Patterns add up, and what exclude matches is left out."""
        chosen = CATALOGUE["client"].select(["expired", "expired-sec*", "revoked*"], "*seconds*")
        assert {"expired", "revoked", "revoked-intermediate"} == {case.id for case in chosen}

    def test_without_the_extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What takes an extra that is not installed is chosen by its name, and not among all."""
        assert client("certificate-verify-missing") in CATALOGUE["client"].select()
        monkeypatch.setitem(sys.modules, "tlslite", None)
        names = [known.id for known in CATALOGUE["client"].select()]
        assert "expired" in names
        assert [] == [name for name in names if name.startswith("certificate-verify-")]
        assert "wire" == client("certificate-verify-missing").extra

    def test_unknown(self) -> None:
        """A pattern that matches nothing is a slip of the pen, and similar ids are named."""
        with pytest.raises(UnknownCase, match="Did you mean expired"):
            CATALOGUE["client"].select(["expird"])


class TestCombining:
    """`case & case`."""

    def test_both_defects(self, ca: CertificateAuthority) -> None:
        """Expired and from an untrusted CA: the peer names one of the two, and the case allows for either."""
        both = client("expired") & client("untrusted-ca")
        assert ("expired+untrusted-ca", None, {Reason.EXPIRED, Reason.UNKNOWN_CA}) == (
            both.id,
            both.reason,
            set(both.reasons),
        )
        identity = both.identity(ca)
        assert identity is not None
        assert identity.certificate.not_valid_after_utc < ca.issue_client().certificate.not_valid_before_utc
        with MutualTLSServer(cert=ca.issue_server(), trust=ca) as judge:
            assert Reason.UNKNOWN_CA is assert_rejected(judge, both).reason
            assert Reason.UNKNOWN_CA is assert_rejected(judge, client("untrusted-ca") & client("expired")).reason

    def test_one_repaired_leaves_the_other(self, ca: CertificateAuthority) -> None:
        """Where the CA is made known, what is left of an expired certificate of an unknown CA is that it has expired."""
        both = client("server-only") & client("intermediate-expired")
        with MutualTLSServer(cert=ca.issue_server(), trust=ca) as judge:
            assert probe(judge, both).reason in both.reasons
            assert Reason.WRONG_PURPOSE is probe(judge, client("server-only")).reason
            assert Reason.EXPIRED is probe(judge, client("intermediate-expired")).reason

    def test_three_of_them(self, ca: CertificateAuthority) -> None:
        """Combinations can be combined."""
        three = client("expired") & client("email-only") & client("unknown-critical-extension")
        with MutualTLSServer(cert=ca.issue_server(), trust=ca) as judge:
            assert probe(judge, three).reason in three.reasons
        assert 3 == len(three.reasons)

    def test_the_binding_tier_wins(self) -> None:
        """A defect that must be rejected makes any combination one; settings add up."""
        both = client("no-key-usage") & client("revoked")
        assert (Tier.MUST, frozenset({"crl"})) == (both.tier, both.requires)
        assert Tier.MUST is (client("valid") & client("expired")).tier

    def test_servers(self, ca: CertificateAuthority) -> None:
        """A server that has expired and is called something else."""
        both = server("expired") & server("wrong-host")
        with MutualTLSServer(cert=both, trust=ca) as bad:
            seen = probe(bad, ca.issue_client())
        assert (False, "client") == (seen.accepted, seen.rejected_by)
        assert seen.reason in both.reasons

    def test_of_two_sides(self) -> None:
        """A client and a server make no peer."""
        with pytest.raises(CaseOfWrongSide):
            client("expired") & server("expired")

    def test_with_something_else(self) -> None:
        """Only a case combines with a case."""
        with pytest.raises(TypeError):
            client("expired") & "revoked"  # type: ignore[operator]

    def test_without_a_certificate(self, ca: CertificateAuthority) -> None:
        """No certificate and an expired one cannot be combined, and the error says so."""
        with pytest.raises(InvalidArgument, match="one that presents a certificate"):
            (client("expired") & client("no-certificate")).identity(ca)


OWN_CASE = '''
import pytest_mtls

@pytest_mtls.case("client", "wrong_purpose")
def time_stamping_only(ca):
    """The extended key usage is timeStamping alone."""
    return ca.issue_client("stamp", extended_key_usage=["timeStamping"])
'''


class TestOwnCases:
    """A suite brings a case of its own, in ten lines of its conftest.py."""

    def test_takes_part(self, pytester: pytest.Pytester) -> None:
        """It is in the fixture, in patterns, in parametrization, and among those without a pattern."""
        pytester.makeconftest(OWN_CASE)
        pytester.makepyfile(
            """
            import pytest
            import pytest_mtls

            @pytest.mark.mtls_cases("time-*", "expired")
            def test_fixture(mtls_target, mtls_client_case):
                pytest_mtls.assert_rejected(mtls_target, mtls_client_case)

            @pytest.mark.parametrize("case", pytest_mtls.client_cases("*stamping*"))
            def test_parametrized(mtls_target, case):
                assert pytest_mtls.assert_rejected(mtls_target, case).reason == "wrong_purpose"

            def test_among_all():
                assert "time-stamping-only" in {param.values[0].id for param in pytest_mtls.client_cases()}
            """
        )
        result = pytester.runpytest_subprocess("-v", "-p", "no:randomly", "-p", "no:cacheprovider")
        result.assert_outcomes(passed=4)
        result.stdout.fnmatch_lines(["*test_fixture[[]expired[]] PASSED*", "*[[]time-stamping-only[]] PASSED*"])

    def test_is_reported(self, pytester: pytest.Pytester) -> None:
        """When it is let in, the report names it by its id."""
        pytester.makeconftest(OWN_CASE)
        pytester.makepyfile(
            """
            import pytest
            import pytest_mtls

            @pytest.mark.mtls_cases("time-*")
            def test_lenient(mtls_server_factory, mtls_client_case):
                server = mtls_server_factory(client_certs="none")
                pytest_mtls.assert_rejected(server, mtls_client_case)
            """
        )
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines(["*test_lenient[[]time-stamping-only[]]*"])
