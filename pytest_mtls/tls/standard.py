"""The standard library's TLS context, also where another library has put a class of its own in its place.

truststore replaces ``ssl.SSLContext`` by a class that verifies by the system's certificates. Ours verify by those of a
test, so that they are of the class that was there before; and the setters of that one, which look for themselves under
the name that is now another's, would call themselves for ever. gevent's class stays, since its sockets need it.
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from typing import Any

__all__ = ["MESSAGE_CALLBACK", "NO_CERTIFICATE_COMPRESSION", "new_standard_context"]

#: OpenSSL's options ``SSL_OP_NO_TX_CERTIFICATE_COMPRESSION`` and ``SSL_OP_NO_RX_CERTIFICATE_COMPRESSION``, which Python has
#: no names for. From 3.2 on OpenSSL compresses a client's Certificate message (RFC 8879), by methods of which the standard
#: library has not all: what is in it could not be told.
NO_CERTIFICATE_COMPRESSION = 1 << 32 | 1 << 33
_COMPRESSES_SINCE = (3, 2)

#: Attributes whose setters, in Python, look for the class by its name.
_SET_BY_NAME = ("maximum_version", "minimum_version", "options", "verify_flags", "verify_mode")


def _class_in_c() -> type | None:
    return next((one for one in ssl.SSLContext.__mro__ if one.__module__ == "_ssl"), None)


#: ``SSLContext._msg_callback`` of the class in C: that of the Python class turns every number into an enum's member first,
#: which costs more than all that is done with it. None on a Python without it.
MESSAGE_CALLBACK: Any = getattr(_class_in_c(), "_msg_callback", None)


def new_standard_context(protocol: int) -> ssl.SSLContext:
    """A context of the standard library.

    Args:
        protocol: ``ssl.PROTOCOL_TLS_SERVER`` or ``ssl.PROTOCOL_TLS_CLIENT``.
    """
    kind: type[ssl.SSLContext] = ssl.SSLContext
    if "truststore" in kind.__module__:
        kind = _set_directly(next(one for one in kind.__mro__ if one.__module__ == "ssl"))
    context = kind(protocol)
    if ssl.OPENSSL_VERSION_INFO >= _COMPRESSES_SINCE:
        context.options |= NO_CERTIFICATE_COMPRESSION
    return context


@lru_cache(maxsize=1)
def _set_directly(standard: type[ssl.SSLContext]) -> type[ssl.SSLContext]:
    """The standard class with the setters of the one in C."""
    in_c = _class_in_c()
    attributes = {name: property(getattr(standard, name).fget, getattr(in_c, name).__set__) for name in _SET_BY_NAME}
    return type("SSLContext", (standard,), attributes)
