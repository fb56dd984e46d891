"""Whose tokens an application takes in place of a credential."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FederatedIdentity:
    """The ``iss`` and ``sub`` of a token, exactly as they are in it, case and all.

    https://learn.microsoft.com/entra/workload-id/workload-identity-federation
    """

    issuer: str
    subject: str

    def document(self) -> dict[str, str]:
        """Returns it as the API writes it."""
        return {"issuer": self.issuer, "subject": self.subject}
