"""Other judges of the catalogue: the openssl program and cryptography's verifier, each with the cases it can judge."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from pytest_mtls import Case, CertificateAuthority
from pytest_mtls.cases import CATALOGUE
from pytest_mtls.cases.leaf import Leaf
from pytest_mtls.certificates.identity import Identity

__all__ = ["OPENSSL_SETTINGS", "Judgement", "Subject", "by_cryptography", "by_openssl", "subjects"]

#: What openssl is told of each setting that a case may require.
OPENSSL_SETTINGS: Mapping[str, tuple[str, ...]] = {
    "crl": ("-crl_check_all",),
    "level": ("-auth_level", "2"),
    "policy": ("-policy_check", "-policy", "2.5.29.32.0"),  # any
    "strict": ("-x509_strict",),
    "usage": (),
}
#: How many programs run at once.
ABREAST = 8


@dataclass(frozen=True)
class Subject:
    """A case with the certificates that it presents.

    Attributes:
        case: the case.
        identity: what it presents.
    """

    case: Case
    identity: Identity

    @property
    def key(self) -> tuple[str, str]:
        """Side and id."""
        return self.case.side, self.case.id


@dataclass(frozen=True)
class Judgement:
    """What a judge made of a case.

    Attributes:
        accepted: its verdict.
        why: what it complained of, in its own words; empty if nothing.
        code: the same as OpenSSL's X509_V_ERR number; None for another judge.
    """

    accepted: bool
    why: str = ""
    code: int | None = None


def subjects(ca: CertificateAuthority) -> list[Subject]:
    """All cases whose certificates alone can be judged: not those about keys, messages or behaviour."""
    found = []
    for catalogue in CATALOGUE.values():
        for case in catalogue.select(["*"]):
            if case.rewrite is None and case.behaviour is None and case.theme != "possession":
                identity = case.identity(ca)
                if identity is not None and "ocsp" not in case.requires:
                    found.append(Subject(case, identity))
    return found


def by_openssl(
    wanted: Sequence[Subject],
    ca: CertificateAuthority,
    program: Path,
    settings: Iterable[str] = OPENSSL_SETTINGS,
    overlook: Sequence[str] = (),
) -> dict[tuple[str, str], Judgement]:
    """What ``openssl verify`` says.

    Args:
        wanted: what to judge.
        ca: the CA to trust.
        program: the openssl program.
        settings: those that are on.
        overlook: more options, or "purpose" or "host", which are then not asked for.
    """
    options = [option for setting in settings for option in OPENSSL_SETTINGS[setting]]
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        (folder / "ca.pem").write_bytes(ca.pem)
        (folder / "crls.pem").write_bytes(b"".join(ca.crl_pems()))
        commands = []
        for number, subject in enumerate(wanted):
            chain = folder / f"{number}.pem"
            chain.write_bytes(subject.identity.cert_pem)
            purpose = "sslclient" if subject.case.side == "client" else "sslserver"
            command = [str(program), "verify", "-no-CApath", "-no-CAstore", *options]
            command += [] if "purpose" in overlook else ["-purpose", purpose]
            command += [option for option in overlook if option.startswith("-")]
            command += ["-CAfile", str(folder / "ca.pem"), "-CRLfile", str(folder / "crls.pem")]
            if subject.case.side == "server" and "host" not in overlook:
                command += ["-verify_ip" if _is_address(subject.case.host) else "-verify_hostname", subject.case.host]
            commands.append([*command, "-untrusted", str(chain), str(chain)])
        said = _run(commands)
    return {subject.key: judgement for subject, judgement in zip(wanted, said, strict=True)}


def _run(commands: Sequence[list[str]]) -> list[Judgement]:
    """What each command says, some at a time."""
    results: list[Judgement] = []
    for start in range(0, len(commands), ABREAST):
        programs = [
            subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            for command in commands[start : start + ABREAST]
        ]
        for program in programs:
            _, said = program.communicate()
            complaint = re.search(r"^error (\d+) at \d+ depth lookup: (.*)$", said, re.MULTILINE)
            code, why = (int(complaint[1]), complaint[2]) if complaint else (None, said.strip())
            results.append(Judgement(program.returncode == 0, why, code))
    return results


#: Clients that have no subject alternative name for a reason; see `by_cryptography`.
NAMELESS = {"common-name-not-permitted", "empty-alternative-names", "no-alternative-name", "valid"}


def by_cryptography(wanted: Sequence[Subject], ca: CertificateAuthority) -> dict[tuple[str, str], Judgement]:
    """What ``cryptography.x509.verification`` says, with the policy that it has of itself.

    It knows no CRLs. It wants a subject alternative name, which our ordinary client does not have: a client is given one,
    so that the verdict is about what the case is about.
    """
    builder = PolicyBuilder().store(Store([ca.certificate]))
    judgements = {}
    for subject in wanted:
        if "crl" in subject.case.requires:
            continue
        leaf, *others = _named(subject, ca).chain
        try:
            if subject.case.side == "client":
                builder.build_client_verifier().verify(leaf, others)
            else:
                host = subject.case.host
                name = x509.IPAddress(ip_address(host)) if _is_address(host) else x509.DNSName(host)
                builder.build_server_verifier(name).verify(leaf, others)
        except (VerificationError, ValueError, x509.UnsupportedGeneralNameType) as error:
            judgements[subject.key] = Judgement(accepted=False, why=str(error))
        else:
            judgements[subject.key] = Judgement(accepted=True)
    return judgements


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _named(subject: Subject, ca: CertificateAuthority) -> Identity:
    """The case's certificates, where a client has a DNS name."""
    case = subject.case
    if case.side == "server" or case.id in NAMELESS:
        return subject.identity
    identity = case.build(ca, Leaf("client", case.id, {"also_named": ("client.example",)}))
    assert identity is not None
    return identity
