"""Where a relying party asks whether a certificate is revoked, as the certificate itself says it."""

from __future__ import annotations

from collections.abc import Iterable

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from pytest_mtls.certificates.names import general_name
from pytest_mtls.errors import InvalidArgument, InvalidName

__all__ = ["MUST_STAPLE", "status_extensions"]

#: The server promises to staple an OCSP answer, so that clients may reject it without one (RFC 7633).
MUST_STAPLE = x509.Extension(x509.TLSFeature.oid, False, x509.TLSFeature([x509.TLSFeatureType.status_request]))


def status_extensions(
    crl_urls: str | Iterable[str] = (), ocsp_urls: str | Iterable[str] = ()
) -> tuple[x509.Extension[x509.ExtensionType], ...]:
    """The extensions that name CRLs and OCSP responders; none without a URL.

    Args:
        crl_urls: where the issuer's CRL is. Each URL is a place of its own with the same CRL: one distribution point
            with several names (RFC 5280 section 4.2.1.13).
        ocsp_urls: where OCSP responders are, for authority information access (section 4.2.2.1).

    Raises:
        InvalidArgument: one is not a URL.
    """
    extensions: list[x509.Extension[x509.ExtensionType]] = []
    places = _urls("crl_urls", crl_urls)
    if places:
        point = x509.DistributionPoint(full_name=places, relative_name=None, reasons=None, crl_issuer=None)
        extensions.append(_not_critical(x509.CRLDistributionPoints([point])))
    responders = _urls("ocsp_urls", ocsp_urls)
    if responders:
        access = [x509.AccessDescription(AuthorityInformationAccessOID.OCSP, url) for url in responders]
        extensions.append(_not_critical(x509.AuthorityInformationAccess(access)))
    return tuple(extensions)


def _not_critical(value: x509.ExtensionType) -> x509.Extension[x509.ExtensionType]:
    return x509.Extension(value.oid, False, value)


def _urls(argument: str, urls: str | Iterable[str]) -> list[x509.GeneralName]:
    allowed = "a list of URLs, such as ['http://localhost:8080/']"
    if isinstance(urls, bytes) or not isinstance(urls, Iterable):
        raise InvalidArgument(argument, urls, allowed)
    return [_url(argument, url, allowed) for url in ([urls] if isinstance(urls, str) else urls)]


def _url(argument: str, url: str, allowed: str) -> x509.GeneralName:
    try:
        name = general_name(url)
    except InvalidName:
        raise InvalidArgument(argument, url, allowed) from None
    if not isinstance(name, x509.UniformResourceIdentifier):
        raise InvalidArgument(argument, url, allowed)
    return name
