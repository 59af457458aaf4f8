"""nginx against the baseline of its own earlier state: each weakening is red with the one right line, and undone it is green."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from support.nginx import nginx_command, nginx_config

from pytest_mtls import CertificateAuthority, Identity, launch
from pytest_mtls.bypasses import BYPASSES, Site, Trial
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.conformance.baseline import Snapshot, compare
from pytest_mtls.conformance.bypassing import check_bypass
from pytest_mtls.conformance.inventory import take_inventory
from pytest_mtls.conformance.offers import check_offer
from pytest_mtls.conformance.policy import SERVER_CHECKS, Policy
from pytest_mtls.conformance.run import Run
from pytest_mtls.reasons.versions import TLS_VERSIONS

NGINX = nginx_config("""
    server {
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {server_cert}; ssl_certificate_key {server_key};
        ssl_client_certificate {dir}/trust.pem; ssl_crl {crl};
        ssl_verify_client on; ssl_verify_depth 20;
        ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers DEFAULT:@SECLEVEL=<number>;
        ssl_session_tickets off;
        location / { return 204; }
        location /headers {
            proxy_pass http://unix:{dir}/echo;
            proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn;
        }
    }
    server {
        listen 127.0.0.2:{port} ssl;
        ssl_certificate {server_cert}; ssl_certificate_key {server_key};
        ssl_client_certificate {dir}/trust.pem; ssl_crl {crl};
        ssl_verify_client  on; ssl_verify_depth 20;
        location / { return 204; }
    }
    server {
        listen 127.0.0.1:{port} ssl; server_name other.localhost;
        ssl_certificate {server_cert}; ssl_certificate_key {server_key};
        ssl_client_certificate {dir}/other.pem; ssl_verify_client  on;
        location / { return 204; }
    }
    server {
        listen unix:{dir}/echo;
        location / { return 200 "X-SSL-Client-S-DN: $http_x_ssl_client_s_dn"; }
    }
""")
#: Cases of every kind; all of them would take minutes.
CASES = (
    *("valid", "through-nine-intermediates", "no-certificate", "expired", "unknown-ca", "self-signed-certificate"),
    *("revoked", "revoked-intermediate", "server-only", "stolen-certificate", "rsa-1024"),
)
BYPASSES_TRIED = ("identity-headers-of-the-client", "every-listener", "resume-across-names")
POLICY = Policy(frozenset({"crl", "usage"}), expiry_days=0.2)


@dataclass(frozen=True)
class Weakening:
    """One change of the configuration for the worse.

    Attributes:
        old: what it replaces.
        new: what it puts there.
        lines: what the run says of it.
        level: OpenSSL's security level, before and after.
        days: how long the server's certificate lasts.
    """

    old: str
    new: str
    lines: tuple[str, ...]
    level: str = "1"
    days: float = 1


_NO_GOOD_CLIENT = (
    "weaker: good clients do not get in any more, so that nothing is proved: rejected by the server, which did not say why "
    "(HTTP 400, 'The SSL certificate error')"
)
WEAKENINGS = {
    "verification optional": Weakening(
        "ssl_verify_client on",
        "ssl_verify_client optional",
        ("weaker: no-certificate over TLS 1.2 and 1.3: refused -> accepted",),
    ),
    "CA added": Weakening("trust.pem", "both.pem", ("weaker: CA names: now CN=added,O=pytest-mtls",)),
    "TLS 1.0 allowed": Weakening(
        "ssl_protocols TLSv1.2", "ssl_protocols TLSv1 TLSv1.2", ("weaker: versions: now 1.0",), level="0"
    ),
    "TLS 1.3 gone": Weakening("TLSv1.2 TLSv1.3", "TLSv1.2", ("weaker: versions: no longer 1.3",)),
    "CRL removed": Weakening(
        "ssl_crl {crl};",
        "",
        ("weaker: revoked, revoked-intermediate over TLS 1.2 and 1.3: refused -> accepted",),
    ),
    "CRL expired": Weakening("ssl_crl {crl};", "ssl_crl {dir}/expired.crl;", (_NO_GOOD_CLIENT,)),
    "a listener without verification": Weakening(
        "ssl_verify_client  on; ssl_verify_depth 20;",
        "",
        ("weaker: bypass[every-listener]: held -> bypassed",),
    ),
    "session tickets shared": Weakening(
        "ssl_session_tickets off;", "", ("weaker: bypass[resume-across-names]: held -> bypassed",)
    ),
    "security level lowered": Weakening(
        "SECLEVEL=2", "SECLEVEL=1", ("weaker: rsa-1024 over TLS 1.2 and 1.3: refused -> accepted",), level="2"
    ),
    "depth": Weakening(
        "ssl_verify_depth 20",
        "ssl_verify_depth 2",
        ("weaker: through-nine-intermediates over TLS 1.2 and 1.3: accepted -> refused",),
    ),
    "header not cleared": Weakening(
        "proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn;",
        "",
        ("weaker: bypass[identity-headers-of-the-client]: held -> bypassed",),
    ),
    "certificate about to expire": Weakening(
        "", "", ("weaker: check[server-certificate-expires-soon]: lasts -> ends soon",), days=0.1
    ),
}


@pytest.fixture(scope="module")
def ca() -> CertificateAuthority:
    """The CA that both sides trust."""
    return CertificateAuthority.create("own")


@pytest.fixture(scope="module")
def added() -> CertificateAuthority:
    """One that is trusted by mistake."""
    return CertificateAuthority.create("added")


def snapshot(
    ca: CertificateAuthority, added: CertificateAuthority, level: str, days: float, old: str = "", new: str = ""
) -> Snapshot:
    """What nginx does with this configuration."""
    text = NGINX.replace("<number>", level)
    changed = text.replace(old, new) if old else text
    assert not old or changed != text
    expired = ca.crl(last_update=-2, next_update=-1).public_bytes(Encoding.PEM)
    files = {
        "nginx.conf": changed,
        "trust.pem": ca.pem.decode(),
        "both.pem": (ca.pem + added.pem).decode(),
        "other.pem": added.pem.decode(),
        "expired.crl": expired.decode(),
    }
    cert: Identity = ca.issue_server(not_after=days)
    account = "www-data" if os.name != "nt" and os.geteuid() == 0 else None
    with launch(nginx_command(), files=files, ca=ca, cert=cert, strict=False, run_as=account) as server:
        run = Run(server.endpoint, POLICY)
        cases = CATALOGUE["client"].select(CASES)
        results = [run.check(case, tls).facts() for case in cases for tls in TLS_VERSIONS]
        target = server.endpoint
        results += [check_offer(target, POLICY, name).facts() for name in SERVER_CHECKS]
        site = Site(
            echo_path="/headers",
            identity_headers=("X-SSL-Client-S-DN",),
            listeners=(replace(target, host="127.0.0.2", server_name="localhost"),),
            other_name="other.localhost",
            other_client=added.issue_client("other"),
        )
        trial = Trial(target, site)
        results += [check_bypass(trial, POLICY, BYPASSES[id]).facts() for id in BYPASSES_TRIED]
        return Snapshot.of(results, take_inventory(target))


@pytest.fixture(scope="module")
def baselines() -> dict[str, Snapshot]:
    """The baselines that were made so far, by security level."""
    return {}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("verification optional", "CRL expired") else pytest.mark.slow)
        for name in WEAKENINGS
    ],
)
def test_weakening_is_red_with_its_line(
    ca: CertificateAuthority, added: CertificateAuthority, baselines: dict[str, Snapshot], name: str
) -> None:
    """What got weaker is told in one line, and nothing else is said to be weaker."""
    weakening = WEAKENINGS[name]
    if weakening.level not in baselines:
        baselines[weakening.level] = snapshot(ca, added, weakening.level, 1)
    now = snapshot(ca, added, weakening.level, weakening.days, weakening.old, weakening.new)
    told = [str(change) for change in compare(baselines[weakening.level], now) if change.is_regression]
    assert list(weakening.lines) == told


def test_undone_it_is_green(
    ca: CertificateAuthority, added: CertificateAuthority, baselines: dict[str, Snapshot]
) -> None:
    """The same configuration once more has changed in nothing, though its certificate is a new one."""
    before = baselines.get("1") or snapshot(ca, added, "1", 1)
    assert [] == compare(before, snapshot(ca, added, "1", 1.5))
