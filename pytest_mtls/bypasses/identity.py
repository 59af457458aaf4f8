"""Identity: how a server, or the application behind it, comes to believe who its client is."""

from __future__ import annotations

import re
import secrets

from cryptography import x509

from pytest_mtls.bypasses.attempt import Attempt
from pytest_mtls.bypasses.bypass import bypass
from pytest_mtls.bypasses.ends import Bypassed, NotApplicable
from pytest_mtls.bypasses.request import Request
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.proxies import STYLES, forwarded_headers

_OTHER = "other.invalid"
#: The headers by which proxies tell an application about the client, as their manuals have them.
HEADERS = (
    "X-SSL-Client-Verify",
    "X-SSL-Client-Cert",
    "X-SSL-Client-S-DN",
    "X-SSL-Client-DN",
    "X-SSL-Client-CN",
    "X-SSL-Client-Subject",
    "X-SSL-Client-Serial",
    "X-SSL-Client-SHA1",
    "X-SSL-Client-Fingerprint",
    "X-SSL-Cert",
    "SSL-Client-Cert",
    "SSL-Client-Verify",
    "SSL-Client-Subject-DN",
    "X-Client-Cert",
    "X-Client-Verify",
    "X-Client-DN",
    "X-Client-CN",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Tls-Client-Cert",
    "X-Forwarded-Tls-Client-Cert-Info",
    "X-ARR-ClientCert",
    "X-Amzn-Mtls-Clientcert",
    "X-Amzn-Mtls-Clientcert-Leaf",
    "X-Amzn-Mtls-Clientcert-Subject",
    "Client-Cert",
    "Client-Cert-Chain",
)


@bypass(needs=["ca_key", "allowed_name"])
def common_name_in_place_of_alternative_name(attempt: Attempt) -> str | None:
    """The name that is let in counts as a subject alternative name, and not as a common name.

    A certificate with alternative names is identified only by these (RFC 9525 section 2). Whoever may choose the common
    name of a certificate is not always the one who may use that name.
    """
    allowed = _allowed_alone(attempt)
    client = attempt.ca.issue_client(allowed, sans=[_OTHER])
    attempt.must_reject(attempt.visit(client), f"a client named {_OTHER} whose common name is {allowed}")
    return None


@bypass(cves=["CVE-2022-21656"], needs=["ca_key", "allowed_name"])
def allowed_name_of_another_type(attempt: Attempt) -> str | None:
    """The name that is let in does not count where it stands in an alternative name of another type, or with more to it.

    A DNS name in an e-mail address or a URI names another thing. So do a longer name, and one with a zero byte.
    """
    allowed = _allowed_alone(attempt)
    names = {
        "an e-mail address": x509.RFC822Name(f"anybody@{allowed}"),
        "a bare e-mail name": x509.RFC822Name(allowed),
        "a URI": x509.UniformResourceIdentifier(f"https://{allowed}/"),
        "a bare URI": x509.UniformResourceIdentifier(allowed),
        "a longer DNS name": x509.DNSName(f"{allowed}.{_OTHER}"),
        "a DNS name below it": x509.DNSName(f"x.{allowed}"),
        "a DNS name with a zero byte": x509.DNSName(f"{allowed}\0.{_OTHER}"),
    }
    for what, name in names.items():
        client = attempt.ca.issue_client("client", sans=[name])
        attempt.must_reject(attempt.visit(client), f"a client that has {allowed} in {what}")
    return None


def _allowed_alone(attempt: Attempt) -> str:
    """The name that is let in, once it is seen to be, and another not to be."""
    allowed = attempt.site.allowed_name
    assert allowed is not None
    attempt.must_accept(attempt.visit(attempt.ca.issue_client(allowed, sans=[allowed])), f"a client named {allowed}")
    if attempt.visit(attempt.ca.issue_client(_OTHER, sans=[_OTHER])).accepted:
        raise NotApplicable(f"the server lets in a client named {_OTHER} too, so that names do not matter to it")
    return allowed


@bypass(needs=["http", "echo_path"])
def identity_headers_of_the_client(attempt: Attempt) -> str | None:
    """What a client says of itself in headers does not come to the application behind a proxy.

    The application believes the headers by which the proxy tells it about the certificate. A proxy has to remove those
    that a client sends, in every spelling that the application takes for the same: many read underscores as hyphens.
    """
    site = attempt.site
    assert site.echo_path is not None
    honest = attempt.must_accept(attempt.visit(attempt.good, Request(site.echo_path)), "a client of the application")
    told = (honest.reply.body if honest.reply else b"").decode("latin-1").lower()
    heard = _normal(told)
    names = site.identity_headers or tuple(name for name in _usual_headers(attempt) if is_named(_normal(name), heard))
    if not names:
        raise NotApplicable("the application is told nothing of its client by a header of a usual name")
    kept_apart: list[str] = []
    for name in names:
        for spelling in (name, name.lower(), name.replace("-", "_"), name.upper().replace("-", "_")):
            lie = secrets.token_hex(8)
            seen = attempt.visit(attempt.good, Request(site.echo_path, headers=((spelling, lie),)))
            body = "" if seen.reply is None else seen.reply.body.decode("latin-1")
            if lie not in body:
                continue
            own = spelling.lower()  # an app that writes the proxy's header so takes both for the same
            if "_" in own and is_named(own, body.lower(), "_") and not is_named(own, told, "_"):
                kept_apart.append(spelling)
                continue
            raise Bypassed(f"the application got the header {spelling} that the client had sent")
    if kept_apart:
        return f"the application also gets {', '.join(kept_apart)} from clients, and keeps it apart from the proxy's header"
    return None


def _usual_headers(attempt: Attempt) -> tuple[str, ...]:
    """The headers of every proxy style, and others that are in use."""
    names = [*HEADERS]
    if attempt.good is not None:
        names += [name for style in STYLES for name in forwarded_headers(attempt.good, style)]
    return tuple({_normal(name): name for name in names}.values())


def is_named(name: str, text: str, separator: str = "-") -> bool:
    """Whether a text has this whole name, perhaps as a CGI variable, and not only a longer one that it is a part of."""
    before_and_after = rf"[a-z0-9{separator}]"
    prefix = "(?:http-)?" if separator == "-" else ""
    return re.search(f"(?<!{before_and_after}){prefix}{re.escape(name)}(?!{before_and_after})", text) is not None


def _normal(text: str) -> str:
    """As an application does that reads CGI variables."""
    return text.lower().replace("_", "-")


@bypass(cves=["CVE-2026-27586", "CVE-2024-1351"], needs=["server_ca"])
def client_of_a_ca_for_servers(attempt: Attempt) -> str | None:
    """A CA that the server's machine trusts for other servers does not make clients.

    Where the CA file for clients is missing or the wrong option is set, the system's store takes its place, and everybody
    can get a certificate from one of the CAs in there. A publicly trusted client cannot be made here, so a CA of your own
    has to stand for them.
    """
    assert attempt.site.server_ca is not None
    client: Identity = attempt.site.server_ca.issue_client("client of another CA")
    for tls in attempt.versions:
        attempt.must_reject(attempt.visit(client, tls=tls), f"a client of a CA for servers over TLS {tls}")
    return None
