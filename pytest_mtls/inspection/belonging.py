"""Which of the things that were found belong together, and which should and do not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import AuthorityInformationAccessOID

from pytest_mtls.certificates.loading import is_self_issued, issued
from pytest_mtls.certificates.names import describe_name
from pytest_mtls.certificates.validity import now
from pytest_mtls.inspection.found import Found, HeldKey, key_bytes
from pytest_mtls.verdict.chain import UNREADABLE

__all__ = ["Collection", "Statement", "extension", "is_ca"]

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


@dataclass(frozen=True)
class Statement:
    """Something that is so.

    Attributes:
        words: what.
        is_wrong: whether it should not be so.
    """

    words: str
    is_wrong: bool = False


def extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    """One extension's value; None if it is not there, or cannot be read."""
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except UNREADABLE:
        return None


def is_ca(certificate: x509.Certificate) -> bool:
    """Whether it says that it may issue others (RFC 5280 section 4.2.1.9)."""
    constraints = extension(certificate, x509.BasicConstraints)
    return constraints is not None and constraints.ca


class Collection:
    """All that was found, and what follows from it.

    Args:
        found: what was found.
        trusted: what the peers trust, if it is known; by default the roots that were found.
    """

    def __init__(self, found: Sequence[Found], trusted: Sequence[x509.Certificate] = ()) -> None:
        self.found = tuple(found)
        self.trusted = tuple(trusted)

    @cached_property
    def places(self) -> dict[x509.Certificate, list[Found]]:
        """Each certificate once, in order, with the places where it is."""
        places: dict[x509.Certificate, list[Found]] = {}
        for one in self.found:
            if isinstance(one.content, x509.Certificate):
                places.setdefault(one.content, []).append(one)
        return places

    @cached_property
    def keys(self) -> tuple[tuple[Found, HeldKey], ...]:
        """The private keys."""
        held = ((one, one.content) for one in self.found if isinstance(one.content, HeldKey))
        return tuple((one, key) for one, key in held if key.is_private)

    @cached_property
    def crls(self) -> tuple[x509.CertificateRevocationList, ...]:
        """The CRLs."""
        return tuple(one.content for one in self.found if isinstance(one.content, x509.CertificateRevocationList))

    @cached_property
    def leaves(self) -> tuple[x509.Certificate, ...]:
        """The certificates that a server or a client would present: those that are not a CA's, and those with a key."""
        return tuple(one for one in self.places if not is_ca(one) or self.key_of(one) is not None)

    @cached_property
    def anchors(self) -> tuple[x509.Certificate, ...]:
        """What peers trust: what is known to be trusted, or the roots here."""
        return self.trusted or tuple(one for one in self.places if is_self_issued(one) and is_ca(one))

    def key_of(self, certificate: x509.Certificate) -> Found | None:
        """Where its private key is; None if that is not here."""
        public = _public(certificate)
        return next((one for one, key in self.keys if public is not None and key_bytes(key.public) == public), None)

    def issuer_of(self, certificate: x509.Certificate) -> x509.Certificate | None:
        """Its issuer's certificate, if that is here or trusted; None for a root."""
        if is_self_issued(certificate):
            return None
        others = (one for one in (*self.places, *self.trusted) if one != certificate)
        return next((one for one in others if issued(one, certificate, weak_hashes=True)), None)

    def path(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        """It, its issuer, and so on, as far as they are here."""
        path = [certificate]
        while (issuer := self.issuer_of(path[-1])) is not None and issuer not in path:
            path.append(issuer)
        return tuple(path)

    def place_of(self, certificate: x509.Certificate) -> str:
        """Where it is, in words."""
        return self.places[certificate][0].place if certificate in self.places else "trusted"

    def name_of(self, certificate: x509.Certificate) -> str:
        """What it is called in a sentence."""
        return f"{describe_name(certificate.subject)} ({self.place_of(certificate)})"

    # --- what is so, and what should not be --------------------------------------------------------------------------

    def statements(self) -> Iterator[Statement]:
        """All that is to be said of how things belong together."""
        yield from self._of_keys()
        yield from self._of_requests()
        yield from self._of_chains()
        yield from self._of_order()
        yield from self._of_crls()

    def _of_keys(self) -> Iterator[Statement]:
        owners = {_public(one): self.name_of(one) for one in reversed(self.places)}
        for one in self.found:
            if isinstance(one.content, x509.CertificateSigningRequest):
                owners.setdefault(
                    _public(one.content), f"the request {describe_name(one.content.subject)} ({one.place})"
                )
        for one, key in self.keys:
            if key.public is None:
                yield Statement(
                    f"the private key ({one.place}) is encrypted, so it cannot be said whose it is. {key.remedy}"
                )
            elif key_bytes(key.public) in owners:
                yield Statement(f"the private key ({one.place}) is that of {owners[key_bytes(key.public)]}")
            elif owners:
                yield Statement(f"the private key ({one.place}) belongs to no certificate or request here", True)
            else:
                yield Statement(f"there is no certificate here that the private key ({one.place}) could belong to")
        has_locked = any(key.public is None for _, key in self.keys)
        for leaf in self.leaves:
            if self.key_of(leaf) is None and not has_locked:
                yield Statement(f"the private key of {self.name_of(leaf)} is not here")

    def _of_requests(self) -> Iterator[Statement]:
        for one in self.found:
            if isinstance(one.content, x509.CertificateSigningRequest):
                name = f"the request {describe_name(one.content.subject)} ({one.place})"
                try:
                    is_signed = one.content.is_signature_valid
                except (UnsupportedAlgorithm, ValueError):
                    continue
                if not is_signed:
                    yield Statement(f"{name} is not signed with its own key: a CA rejects it", True)

    def _of_chains(self) -> Iterator[Statement]:
        for one in self.places:
            if is_self_issued(one) or self.issuer_of(one) is not None:
                continue
            namesakes = [other for other in (*self.places, *self.trusted) if other.subject == one.issuer]
            if namesakes:
                words = f"{self.name_of(namesakes[0])} has the name of the issuer of {self.name_of(one)}, and did not sign it"
                yield Statement(words, True)
            else:
                yield Statement(
                    f"missing: the certificate of {describe_name(one.issuer)}, the issuer of {self.name_of(one)}"
                    f"{_where_to_get(one)}"
                )

    def _of_order(self) -> Iterator[Statement]:
        """Each file that would be sent as it is must have the peer's own certificate first, then each issuer's."""
        bundles: dict[tuple[str, str], list[tuple[int, x509.Certificate]]] = {}
        for one in self.found:
            if isinstance(one.content, x509.Certificate):
                bundles.setdefault((one.source, one.group), []).append((one.number, one.content))
        for (source, _), numbered in bundles.items():
            own = [(number, one) for number, one in numbered if one in self.leaves]
            if len(numbered) > 1 and len({one for _, one in own}) == 1:
                yield from self._of_one_order(source, numbered, own[0][1])

    def _of_one_order(
        self, source: str, numbered: list[tuple[int, x509.Certificate]], leaf: x509.Certificate
    ) -> Iterator[Statement]:
        here = [one for _, one in numbered]
        right = [one for one in self.path(leaf) if one in here]
        numbers = {one: number for number, one in reversed(numbered)}
        if len(set(here)) < len(here):
            yield Statement(f"{source} holds a certificate twice", True)
        strangers = [one for one in dict.fromkeys(here) if one not in right]
        for one in strangers:
            yield Statement(f"{self.name_of(one)} is not in the chain of {describe_name(leaf.subject)}", True)
        actual = [one for one in dict.fromkeys(here) if one in right]
        if actual == right:
            yield Statement(f"the order of the chain in {source} is right: each certificate, then its issuer's")
        else:
            order = ", ".join(str(numbers[one]) for one in right)
            words = (
                f"the order of the chain in {source} is wrong: its own certificate first, then each issuer's: {order}"
            )
            yield Statement(words, True)

    def _of_crls(self) -> Iterator[Statement]:
        for one in self.found:
            crl = one.content
            if not isinstance(crl, x509.CertificateRevocationList):
                continue
            name = f"the CRL ({one.place})"
            namesakes = [other for other in (*self.places, *self.trusted) if other.subject == crl.issuer]
            issuers = [other for other in namesakes if _signed(crl, other)]
            if issuers:
                yield Statement(f"{name} is signed by {self.name_of(issuers[0])}")
            elif namesakes:
                yield Statement(f"{name} is not signed with the key of {self.name_of(namesakes[0])}", True)
            else:
                yield Statement(f"missing: the certificate of {describe_name(crl.issuer)}, which issued {name}")
            if crl.next_update_utc is not None and crl.next_update_utc < now():
                yield Statement(
                    f"{name} is too old: its next update was due {crl.next_update_utc:%Y-%m-%d %H:%M:%S} UTC", True
                )
            for certificate in self.places:
                if certificate.issuer == crl.issuer and _revoked(crl, certificate):
                    yield Statement(f"{self.name_of(certificate)} is revoked, by {name}", True)


def _public(one: x509.Certificate | x509.CertificateSigningRequest) -> bytes | None:
    try:
        return key_bytes(one.public_key())
    except UNREADABLE:
        return None


def _signed(crl: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    try:
        return crl.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except (InvalidSignature, *UNREADABLE):
        return False


def _revoked(crl: x509.CertificateRevocationList, certificate: x509.Certificate) -> bool:
    try:
        return crl.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None
    except (ValueError, OverflowError):
        return False


def _where_to_get(certificate: x509.Certificate) -> str:
    """Where the certificate itself says that its issuer's is (RFC 5280 section 4.2.2.1)."""
    access = extension(certificate, x509.AuthorityInformationAccess)
    for one in access or ():
        if one.access_method == AuthorityInformationAccessOID.CA_ISSUERS:
            return f", which it says is at {one.access_location.value}"
    return ""
