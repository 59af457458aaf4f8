"""Show cryptography the real `datetime.datetime` before a test can show it a fake one.

cryptography keeps for good the class that it finds under this name when it first needs it. Under freezegun that is a
fake one, and from then on no certificate can be signed in this process: "'datetime' object is not an instance of
'FakeDatetime'". Importing this module makes the first time a harmless one.
"""

from __future__ import annotations

import datetime

from cryptography.x509.verification import PolicyBuilder

__all__: list[str] = []


def _show_real_class() -> None:
    named = datetime.datetime
    real = next(cls for cls in named.__mro__ if cls.__module__ == "datetime")
    datetime.datetime = real  # type: ignore[assignment,misc]
    try:
        PolicyBuilder().time(real(2000, 1, 1))
    finally:
        datetime.datetime = named  # type: ignore[misc]


_show_real_class()
