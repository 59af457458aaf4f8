"""Revocation: what a CA takes back, and the CRL that says so (RFC 5280 section 5)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from itertools import count

from cryptography import x509

from pytest_mtls.certificates.clock import now
from pytest_mtls.certificates.key import PrivateKey, SignatureHash, signature_hash
from pytest_mtls.certificates.pss import pss_padding
from pytest_mtls.certificates.validity import validity
from pytest_mtls.errors import InvalidArgument, InvalidValidity

__all__ = ["Register", "Revocation", "revocation_reason"]


_NEVER = datetime.max.replace(tzinfo=timezone.utc)


@dataclass(frozen=True)
class Revocation:
    """One certificate that its issuer has taken back.

    Attributes:
        serial_number: the certificate's.
        date: since when it does not hold.
        reason: why.
    """

    serial_number: int
    date: datetime
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified

    def entry(self) -> x509.RevokedCertificate:
        """The entry of a CRL. An unspecified reason is left out, as RFC 5280 section 5.3.1 wishes."""
        builder = x509.RevokedCertificateBuilder(self.serial_number, self.date.replace(tzinfo=None))
        if self.reason is not x509.ReasonFlags.unspecified:
            builder = builder.add_extension(x509.CRLReason(self.reason), critical=False)
        return builder.build()


def revocation_reason(reason: str | x509.ReasonFlags) -> x509.ReasonFlags:
    """A reason that a caller named, as ``key_compromise`` or ``keyCompromise``.

    Raises:
        InvalidArgument: there is no such reason, or it is for delta CRLs only.
    """
    known = [flag for flag in x509.ReasonFlags if flag is not x509.ReasonFlags.remove_from_crl]
    for flag in known:
        if reason in (flag, flag.name, flag.value):
            return flag
    raise InvalidArgument("reason", reason, f"one of {', '.join(flag.name for flag in known)}")


class Register:
    """What one CA has revoked, and its CRLs.

    Revocations are only ever added, and a CRL is replaced as a whole: both are atomic, so no thread sees a half.

    Args:
        issuer_name: the CA's subject.
        issuer_key_identifier: the CA's subject key identifier.
        pss: the hash to sign with by RSASSA-PSS, where the CA's key is only for that.
    """

    def __init__(self, issuer_name: x509.Name, issuer_key_identifier: bytes, pss: SignatureHash | None = None) -> None:
        self._pss = pss
        self._issuer_name = issuer_name
        self._issuer_key_identifier = issuer_key_identifier
        self._revocations: dict[int, Revocation] = {}
        self._numbers = count(1)
        self._current: tuple[int, x509.CertificateRevocationList] | None = None

    def add(self, revocation: Revocation) -> None:
        """Put a certificate on every CRL from now on; the first entry of a serial number stays."""
        self._revocations.setdefault(revocation.serial_number, revocation)

    def find(self, serial_number: int) -> Revocation | None:
        """What is known of a certificate; None if it is not revoked."""
        return self._revocations.get(serial_number)

    def current_crl(self, key: PrivateKey) -> x509.CertificateRevocationList:
        """A CRL that holds now, made anew only after a revocation or when the last one has run out."""
        current, known = self._current, len(self._revocations)
        if current is not None and current[0] == known and now() < (current[1].next_update_utc or _NEVER):
            return current[1]
        crl = self.new_crl(key, *validity())
        self._current = (known, crl)
        return crl

    def new_crl(self, key: PrivateKey, last_update: datetime, next_update: datetime) -> x509.CertificateRevocationList:
        """Sign a CRL, with a number that grows (RFC 5280 section 5.2.3).

        Raises:
            InvalidValidity: it would end before it begins.
        """
        if next_update <= last_update:
            raise InvalidValidity(str(next_update), f"a CRL of {last_update} cannot have its next update before it")
        key_identifier = x509.AuthorityKeyIdentifier(self._issuer_key_identifier, None, None)
        builder = x509.CertificateRevocationListBuilder(
            issuer_name=self._issuer_name,
            last_update=last_update.replace(tzinfo=None),
            next_update=next_update.replace(tzinfo=None),
            revoked_certificates=[revocation.entry() for revocation in tuple(self._revocations.values())],
        )
        builder = builder.add_extension(key_identifier, critical=False)
        builder = builder.add_extension(x509.CRLNumber(next(self._numbers)), critical=False)
        if self._pss is not None:
            return builder.sign(key, self._pss, rsa_padding=pss_padding(self._pss))
        return builder.sign(key, signature_hash(key))
