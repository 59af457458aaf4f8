"""`Leaf`: the ordinary certificate of one side, to which a case adds its defect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from cryptography import x509

from pytest_mtls.cases.resigned import Edit, resign
from pytest_mtls.certificates.identity import Identity
from pytest_mtls.certificates.issuer import Issuer
from pytest_mtls.certificates.names import general_name
from pytest_mtls.certificates.profile import CertificateProfile, client_profile, extended_key_usages, server_profile
from pytest_mtls.errors import InvalidArgument

__all__ = ["Leaf"]

#: What is no matter of the profile, but of how it is issued.
_ISSUING = ("key_kind", "private_key", "chain")


@dataclass(frozen=True)
class Leaf:
    """Issues the ordinary certificate of a client or a server, changed as the caller says.

    Attributes:
        side: whose certificate it is.
        name: a client's common name. A server is ``localhost``, 127.0.0.1 and ::1.
        changes: what is changed in every certificate that it issues; see `__call__`.
        issue: another case's function, which then issues instead of this; see `Case.__and__`.
    """

    side: Literal["client", "server"]
    name: str = "client"
    changes: Mapping[str, Any] = field(default_factory=dict)
    issue: Callable[..., Identity | None] | None = None

    def __call__(self, issuer: Issuer, **changes: Any) -> Identity:
        """Issue the certificate.

        Args:
            issuer: what signs it.
            **changes: ``not_before``, ``not_after``, ``extended_key_usage`` and ``key_kind`` as for
                `CertificateAuthority.issue_client`; ``also_named``, more subject alternative names; ``private_key``, its
                key; ``chain``, what is sent after it; ``edit``, for what no profile can say: called with the DER fields
                of the part that is signed, before it is signed; and any field of `CertificateProfile`.
        """
        changes = {**self.changes, **changes}
        if self.issue is not None:
            identity = self.issue(issuer, Leaf(self.side, self.name, changes))
            if identity is None:
                raise InvalidArgument("case", self.name, "one that presents a certificate, to be combined with another")
            return identity
        how = {name: changes[name] for name in _ISSUING if name in changes}
        identity = issuer.issue(self.profile(**changes), **how)
        edit: Edit | None = changes.get("edit")
        if edit is None or issuer.private_key is None:
            return identity
        certificate = resign(identity.certificate, issuer.private_key, edit)
        return replace(identity, chain=(certificate, *identity.chain[1:]))

    def profile(self, **changes: Any) -> CertificateProfile:
        """The profile of the certificate, with the same changes."""
        said = {**self.changes, **changes}
        changes = {name: value for name, value in said.items() if name not in (*_ISSUING, "edit")}
        ends = {name: changes.pop(name, None) for name in ("not_before", "not_after")}
        profile = client_profile(self.name, **ends) if self.side == "client" else server_profile(**ends)
        if "extended_key_usage" in changes:
            changes["extended_key_usage"] = extended_key_usages(changes["extended_key_usage"])
        also_named = changes.pop("also_named", ())
        if also_named:
            profile = replace(profile, sans=(*profile.sans, *map(general_name, also_named)))
        return replace(profile, **changes)

    def like(self, other: Identity | None) -> Leaf:
        """The same with the subject and alternative names of another identity; changes of a case win over them."""
        if other is None:
            return self
        try:
            sans = tuple(other.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        except x509.ExtensionNotFound:
            sans = ()
        return replace(self, changes={"subject": other.certificate.subject, "sans": sans, **self.changes})

    def changed(self, **changes: Any) -> Leaf:
        """The same with more changes."""
        return replace(self, changes={**self.changes, **changes})
