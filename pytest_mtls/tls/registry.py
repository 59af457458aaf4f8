"""Names for the numbers in TLS messages: groups, signature schemes, and cipher suites (IANA's TLS parameters)."""

from __future__ import annotations

import ssl
from functools import cache

__all__ = [
    "GROUPS",
    "SUITES_OF_TLS13",
    "group_name",
    "is_weak_suite",
    "scheme_name",
    "suite_name",
    "suites_up_to_tls12",
]

#: The groups of a key exchange, in the order in which they are offered (RFC 8446 section 4.2.7, RFC 8422 section 5.1.1).
GROUPS = {
    0x11EC: "X25519MLKEM768",
    0x11EB: "SecP256r1MLKEM768",
    0x11ED: "SecP384r1MLKEM1024",
    29: "x25519",
    23: "secp256r1",
    30: "x448",
    24: "secp384r1",
    25: "secp521r1",
    31: "brainpoolP256r1tls13",
    32: "brainpoolP384r1tls13",
    33: "brainpoolP512r1tls13",
    26: "brainpoolP256r1",
    27: "brainpoolP384r1",
    28: "brainpoolP512r1",
    256: "ffdhe2048",
    257: "ffdhe3072",
    258: "ffdhe4096",
    259: "ffdhe6144",
    260: "ffdhe8192",
    22: "secp256k1",
    21: "secp224r1",
    19: "secp192r1",
}
#: RFC 8446 section 4.2.3; those before TLS 1.3 are a hash and a signature (RFC 5246 section 7.4.1.4.1).
_SCHEMES = {
    0x0201: "rsa_pkcs1_sha1",
    0x0202: "dsa_sha1",
    0x0203: "ecdsa_sha1",
    0x0301: "rsa_pkcs1_sha224",
    0x0302: "dsa_sha224",
    0x0303: "ecdsa_sha224",
    0x0401: "rsa_pkcs1_sha256",
    0x0402: "dsa_sha256",
    0x0403: "ecdsa_secp256r1_sha256",
    0x0501: "rsa_pkcs1_sha384",
    0x0502: "dsa_sha384",
    0x0503: "ecdsa_secp384r1_sha384",
    0x0601: "rsa_pkcs1_sha512",
    0x0602: "dsa_sha512",
    0x0603: "ecdsa_secp521r1_sha512",
    0x0804: "rsa_pss_rsae_sha256",
    0x0805: "rsa_pss_rsae_sha384",
    0x0806: "rsa_pss_rsae_sha512",
    0x0807: "ed25519",
    0x0808: "ed448",
    0x0809: "rsa_pss_pss_sha256",
    0x080A: "rsa_pss_pss_sha384",
    0x080B: "rsa_pss_pss_sha512",
    0x081A: "ecdsa_brainpoolP256r1tls13_sha256",
    0x081B: "ecdsa_brainpoolP384r1tls13_sha384",
    0x081C: "ecdsa_brainpoolP512r1tls13_sha512",
    0x0904: "mldsa44",
    0x0905: "mldsa65",
    0x0906: "mldsa87",
}
#: Suites that OpenSSL has given up, by its former names.
_FORMER_SUITES = {
    0x0001: "NULL-MD5",
    0x0002: "NULL-SHA",
    0x0003: "EXP-RC4-MD5",
    0x0004: "RC4-MD5",
    0x0005: "RC4-SHA",
    0x0006: "EXP-RC2-CBC-MD5",
    0x0008: "EXP-DES-CBC-SHA",
    0x0009: "DES-CBC-SHA",
    0x000A: "DES-CBC3-SHA",
    0x0011: "EXP-DHE-DSS-DES-CBC-SHA",
    0x0012: "DHE-DSS-DES-CBC-SHA",
    0x0013: "DHE-DSS-DES-CBC3-SHA",
    0x0014: "EXP-DHE-RSA-DES-CBC-SHA",
    0x0015: "DHE-RSA-DES-CBC-SHA",
    0x0016: "DHE-RSA-DES-CBC3-SHA",
    0x0017: "EXP-ADH-RC4-MD5",
    0x0018: "ADH-RC4-MD5",
    0x0019: "EXP-ADH-DES-CBC-SHA",
    0x001A: "ADH-DES-CBC-SHA",
    0x001B: "ADH-DES-CBC3-SHA",
    0xC002: "ECDH-ECDSA-RC4-SHA",
    0xC007: "ECDHE-ECDSA-RC4-SHA",
    0xC008: "ECDHE-ECDSA-DES-CBC3-SHA",
    0xC011: "ECDHE-RSA-RC4-SHA",
    0xC012: "ECDHE-RSA-DES-CBC3-SHA",
    0xC016: "AECDH-RC4-SHA",
    0xC017: "AECDH-DES-CBC3-SHA",
}
SUITES_OF_TLS13 = (0x1301, 0x1302, 0x1303, 0x1304, 0x1305)
#: What RFC 9325 section 4.1 forbids: no encryption, RC4, less than 112 bits; and nobody who proves who the server is. 3DES
#: has 112 bits and blocks of 64 (RFC 8429); export grades and MD5 are older still.
_WEAK = ("NULL", "RC4", "RC2", "DES", "EXP", "ADH", "AECDH", "MD5")


@cache
def _known_suites() -> dict[int, str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    return {**_FORMER_SUITES, **{cipher["id"] & 0xFFFF: cipher["name"] for cipher in context.get_ciphers()}}


def suites_up_to_tls12() -> tuple[int, ...]:
    """The numbers of all cipher suites up to TLS 1.2 that have a name here: those of OpenSSL, and former ones."""
    return tuple(sorted(set(_known_suites()) - set(SUITES_OF_TLS13)))


def suite_name(number: int) -> str:
    """A cipher suite's name, as OpenSSL has it; the number in hex for others."""
    return _known_suites().get(number, f"0x{number:04X}")


def is_weak_suite(name: str) -> bool:
    """Whether nobody may negotiate a suite any more (RFC 9325 section 4.1)."""
    return any(part in name for part in _WEAK)


def group_name(number: int) -> str:
    """A group's name; the number for others."""
    return GROUPS.get(number, f"group {number}")


def scheme_name(number: int) -> str:
    """A signature scheme's name; the number in hex for others."""
    return _SCHEMES.get(number, f"0x{number:04X}")
