"""A small client of an API that wants a client certificate, as one finds it in any code base."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import requests


class BankUnreachable(Exception):
    """The bank did not let us in, or we did not trust it."""


@dataclass
class BankClient:
    """Talks to the bank.

    Args:
        url: where the bank is.
        cert: path of our certificate, or None to go without.
        key: path of its private key.
        ca: path of the CA certificate by which we know the bank.
    """

    url: str
    cert: str | None
    key: str | None
    ca: str

    def whoami(self) -> dict[str, Any]:
        """Whom the bank takes us for.

        Raises:
            BankUnreachable: one of the two sides rejected the other.
        """
        pair = (self.cert, self.key) if self.cert and self.key else None
        try:
            response = requests.get(f"{self.url}/whoami", cert=pair, verify=self.ca, timeout=5)
        except requests.exceptions.ConnectionError as error:
            raise BankUnreachable(str(error)) from error
        response.raise_for_status()
        client: dict[str, Any] = response.json()["client"]
        return client
