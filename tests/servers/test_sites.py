"""Bypasses on nginx and Apache httpd with several names, paths and a proxy: as they should be, and with real mistakes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from support.nginx import nginx_command, nginx_config
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, Identity, launch
from pytest_mtls.bypasses import BYPASSES, Finding, Site, Trial, Verdict, story

OTHER, PUBLIC, PATHS = "other.localhost", "public.localhost", "paths.localhost"

NGINX = nginx_config("""
    ssl_certificate {server_cert}; ssl_certificate_key {server_key};
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:all:1m;
    server {
        listen 127.0.0.1:{port} ssl default_server;
        server_name localhost;
        ssl_client_certificate {ca}; ssl_verify_client on;
        location / { return 200 "the secret page"; }
        location /headers {
            proxy_pass http://unix:{dir}/echo;
            proxy_set_header X-SSL-Client-S-DN $ssl_client_s_dn;
            proxy_set_header X-SSL-Client-Verify $ssl_client_verify;
        }
    }
    server {
        listen 127.0.0.1:{port} ssl;
        server_name other.localhost;
        ssl_client_certificate {dir}/other.pem; ssl_verify_client on;
        location / { return 200 "the other secret page"; }
    }
    server {
        listen 127.0.0.1:{port} ssl;
        server_name public.localhost;
        location / { return 200 "a public page"; }
    }
    server {
        listen 127.0.0.1:{port} ssl;
        server_name paths.localhost;
        ssl_client_certificate {ca}; ssl_verify_client optional;
        location / { return 200 "a public page"; }
        location /protected {
            if ($ssl_client_verify != SUCCESS) { return 403; }
            return 200 "the secret page";
        }
    }
    server {
        listen unix:{dir}/echo;
        underscores_in_headers on;
        location / { return 200 "X-SSL-Client-S-DN: $http_x_ssl_client_s_dn\\nX-SSL-Client-Verify: $http_x_ssl_client_verify"; }
    }
""")

APACHE = """
ServerName localhost
ServerRoot {dir}
PidFile {dir}/pid
DefaultRuntimeDir {dir}
ErrorLog {dir}/error.log
Listen 127.0.0.1:{port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so
LoadModule http2_module /usr/lib/apache2/modules/mod_http2.so
LoadModule socache_shmcb_module /usr/lib/apache2/modules/mod_socache_shmcb.so
LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so
StartServers 1
Protocols h2 http/1.1
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLSessionCache shmcb:{dir}/sessions
SSLCertificateFile {server_cert}
SSLCertificateKeyFile {server_key}
DocumentRoot {dir}
<VirtualHost *>
    ServerName localhost
    SSLEngine on
    SSLCACertificateFile {ca}
    SSLVerifyClient require
    Alias / {dir}/protected.txt
</VirtualHost>
<VirtualHost *>
    ServerName other.localhost
    SSLEngine on
    SSLCACertificateFile {dir}/other.pem
    SSLVerifyClient require
    Alias / {dir}/protected.txt
</VirtualHost>
<VirtualHost *>
    ServerName public.localhost
    SSLEngine on
    Alias / {dir}/public.txt
</VirtualHost>
<VirtualHost *>
    ServerName paths.localhost
    SSLEngine on
    SSLCACertificateFile {ca}
    <Location /protected.txt>
        SSLVerifyClient require
    </Location>
</VirtualHost>
"""

_ABOUT_NAMES = (
    "resume-across-names",
    "resume-from-public-name",
    "host-other-than-server-name",
    "no-server-name",
    "odd-server-name",
    "split-client-hello",
)
_ABOUT_PATHS = (
    "protected-path-without-certificate",
    "empty-post-handshake-authentication",
    "protected-path-spelt-otherwise",
)


class Kit:
    """The CAs, and a certificate for all names."""

    def __init__(self) -> None:
        self.ca = CertificateAuthority.create()
        self.other_ca = CertificateAuthority.create("another CA")
        self.cert: Identity = self.ca.issue_server("localhost", sans=["localhost", OTHER, PUBLIC, PATHS])
        self.other_client = self.other_ca.issue_client("client of the other name")


@pytest.fixture(scope="module")
def kit() -> Kit:
    return Kit()


@contextmanager
def started(kit: Kit, which: str, *changes: tuple[str, str]) -> Iterator[Trial]:
    """A server of several names, with some of its settings replaced."""
    if which == "nginx":
        text, command = NGINX, nginx_command()
    else:
        text, command = (
            APACHE,
            [str(require_program("apache2", apt="apache2")), "-DFOREGROUND", "-f", "{dir}/httpd.conf"],
        )
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    site = Site(
        other_name=OTHER,
        other_client=kit.other_client,
        public_name=PUBLIC,
        public_path="/public.txt",
        protected_path="/protected.txt",
        echo_path="/headers",
    )
    files = {("nginx.conf" if which == "nginx" else "httpd.conf"): text, "other.pem": kit.other_ca.pem.decode()}
    files |= {"protected.txt": "the secret page", "public.txt": "a public page"}
    account = "www-data" if os.name != "nt" and os.geteuid() == 0 else None
    with launch(command, files=files, ca=kit.ca, cert=kit.cert, run_as=account) as server:
        yield Trial(server.endpoint, site)


def check(trial: Trial, *ids: str) -> list[Finding]:
    """Try some, those about paths under the name that has these."""
    by_path = Trial(replace(trial.target, server_name=PATHS), trial.site)
    return [(by_path if id.startswith(("protected", "empty")) else trial).check(BYPASSES[id]) for id in ids]


def test_nginx_holds(kit: Kit) -> None:
    """nginx with the usual settings is not bypassed, by name, path or header."""
    with started(kit, "nginx") as trial:
        found = check(trial, *_ABOUT_NAMES, *_ABOUT_PATHS, "identity-headers-of-the-client")
    assert [] == [story(one) for one in found if one.verdict is not Verdict.HELD]


def test_apache_holds(kit: Kit) -> None:
    """So is Apache httpd, which asks for a certificate in the middle of a connection, and over HTTP/2 rejects."""
    with started(kit, "Apache httpd") as trial:
        found = check(trial, *_ABOUT_NAMES, *_ABOUT_PATHS, "protected-path-over-http2")
    assert [] == [story(one) for one in found if one.verdict is not Verdict.HELD]


@pytest.mark.parametrize(
    ("change", "id"),
    [
        pytest.param(
            ("proxy_set_header X-SSL-Client-Verify $ssl_client_verify;", ""),
            "identity-headers-of-the-client",
            id="header-that-the-proxy-does-not-set",
        ),
        pytest.param(
            (
                "if ($ssl_client_verify != SUCCESS) { return 403; }",
                'set $both "$request_uri $ssl_client_verify"; if ($both = "/protected.txt NONE") { return 403; }',
            ),
            "protected-path-spelt-otherwise",
            id="path-as-it-comes",
        ),
        pytest.param(
            ("if ($ssl_client_verify != SUCCESS) { return 403; }", ""),
            "protected-path-without-certificate",
            id="path-that-was-forgotten",
        ),
    ],
)
def test_mistakes_in_nginx_are_found(kit: Kit, change: tuple[str, str], id: str) -> None:
    """Each is a bypass."""
    with started(kit, "nginx", change) as trial:
        (found,) = check(trial, id)
    assert Verdict.BYPASSED is found.verdict, story(found)


def test_nginx_without_the_rule_has_nothing_to_bypass(kit: Kit) -> None:
    """Where nginx does not verify clients of the target itself, that is the one finding: no bypass is told beside it."""
    change = (
        "server_name localhost;\n        ssl_client_certificate {ca}; ssl_verify_client on;",
        "server_name localhost;",
    )
    with started(kit, "nginx", change) as trial:
        (found,) = check(trial, "no-server-name")
    note = "the server lets in clients without a certificate, so there is no rule to bypass"
    assert (Verdict.NOT_APPLICABLE, note) == (found.verdict, found.note)


def test_nginx_with_a_default_host_that_does_not_verify_holds(kit: Kit) -> None:
    """A client without a server name gets the default host's handshake, and the rule of the host that it asks for."""
    change = (
        "listen 127.0.0.1:{port} ssl default_server;\n        server_name localhost;",
        (
            "listen 127.0.0.1:{port} ssl default_server; location / { return 200 'a default page'; } }\n"
            "    server { listen 127.0.0.1:{port} ssl; server_name localhost;"
        ),
    )
    with started(kit, "nginx", change) as trial:
        (found,) = check(trial, "no-server-name")
    assert Verdict.HELD is found.verdict, story(found)
