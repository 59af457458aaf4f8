"""Real servers that begin in plain: what comes behind the request for TLS is not taken for what the client says inside."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.requirements import require_program

from pytest_mtls import CertificateAuthority, launch, probe
from pytest_mtls.bypasses import BYPASSES, Trial, Verdict, story

SLAPD = """
pidfile {dir}/pid
include /etc/ldap/schema/core.schema
modulepath /usr/lib/ldap
moduleload back_ldif
TLSCACertificateFile {ca}
TLSCertificateFile {server_cert}
TLSCertificateKeyFile {server_key}
TLSVerifyClient demand
database ldif
suffix "dc=example"
directory {dir}
"""

PROSODY = """
pidfile = "{dir}/pid"
data_path = "{dir}"
plugin_paths = {}
log = { info = "*console" }
interfaces = { "127.0.0.1" }
c2s_ports = { {port} }
s2s_ports = {}
modules_enabled = { "tls"; "saslauth" }
modules_disabled = { "s2s" }
run_as_root = true
c2s_require_encryption = true
VirtualHost "localhost"
ssl = {
    key = "{server_key}"; certificate = "{server_cert}"; cafile = "{ca}"; verify = { "peer", "fail_if_no_peer_cert" };
}
"""

MARIADB = (
    "mariadb-install-db --no-defaults --datadir={dir}/data --auth-root-authentication-method=normal --skip-test-db USER && "
    "exec mariadbd --no-defaults --datadir={dir}/data --socket={dir}/sock --port={port} --bind-address=127.0.0.1 USER "
    "--pid-file={dir}/pid --ssl-ca={ca} --ssl-cert={server_cert} --ssl-key={server_key} --require-secure-transport=ON "
    "--skip-name-resolve --init-file={dir}/carol.sql --innodb-buffer-pool-size=8M"
)


def slapd() -> list[str]:
    command = require_program("slapd", apt="slapd")
    return [str(command), "-f", "{dir}/slapd.conf", "-h", "ldap://127.0.0.1:{port}", "-d", "0"]


def prosody() -> list[str]:
    return [str(require_program("prosody", apt="prosody")), "-F", "--config", "{dir}/prosody.cfg.lua"]


def mariadb() -> list[str]:
    require_program("mariadbd", apt="mariadb-server-core")
    require_program("my_print_defaults", apt="mariadb-client-core")
    return ["sh", "-c", MARIADB.replace("USER", "--user=root" if os.geteuid() == 0 else "")]


@dataclass(frozen=True)
class PlainFirst:
    """One such server: how it is started, and what is known of it."""

    command: Callable[[], list[str]]
    files: Mapping[str, str]
    protocol: str
    known: Mapping[str, Any] = field(default_factory=dict)


SERVERS = {
    "OpenLDAP": PlainFirst(slapd, {"slapd.conf": SLAPD}, "ldap"),
    "Prosody": PlainFirst(prosody, {"prosody.cfg.lua": PROSODY}, "xmpp"),
    "MariaDB": PlainFirst(
        mariadb, {"carol.sql": "CREATE USER carol@127.0.0.1 REQUIRE X509;\n"}, "mysql", {"user": "carol"}
    ),
}


@pytest.mark.parametrize("name", SERVERS)
def test_command_before_tls_is_not_answered_inside(name: str) -> None:
    """The server takes a good client, rejects one without a certificate, and holds."""
    server, ca = SERVERS[name], CertificateAuthority.create()
    with launch(server.command(), files=server.files, protocol=server.protocol, ca=ca, **server.known) as running:
        assert (True, False) == (
            probe(running.endpoint, ca.issue_client("carol"), timeout=60).accepted,
            probe(running.endpoint, timeout=60).accepted,
        )
        found = Trial(running.endpoint).check(BYPASSES["bytes-before-tls"])
    assert Verdict.HELD is found.verdict, story(found)
    ca.remove_files()
