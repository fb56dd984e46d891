"""What a lease's footprint says of its credential, if that is no secret."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.core.federated_identity import FederatedIdentity
from shared.core.names import ObjectId
from shared.core.typed import named


@dataclass(frozen=True, slots=True)
class Held:
    """Nothing of it is secret. All of it goes with the lease's application."""

    name: str = "secret"
    """The kind of credential."""
    trusted: FederatedIdentity | None = None
    """Whose tokens the application takes."""
    key_id: ObjectId | None = None
    thumbprint: str = ""
    """Of the certificate: SHA-256, in hexadecimal."""
    added: bool = False
    """Whether the application is known to take these tokens."""
    given: bool = False
    """Whether the worker has made all that a token needs to be worth something: assignments, memberships."""

    def write(self) -> dict[str, Any]:
        """Returns the fields that are not as for a secret: of such, a footprint says nothing here."""
        fields = {
            "credential": self.name if self.name != "secret" else None,
            "federated_identity": self.trusted.document() if self.trusted else None,
            "certificate_key_id": self.key_id,
            "thumbprint": self.thumbprint,
            "added": self.added,
            "given": self.given,
        }
        return {name: value for name, value in fields.items() if value}

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Held:
        """Reads what ``write`` has written."""
        trusted, key_id = stored.get("federated_identity"), stored.get("certificate_key_id")
        return cls(
            stored.get("credential", "secret"),
            FederatedIdentity(trusted["issuer"], trusted["subject"]) if trusted is not None else None,
            named(ObjectId, key_id) if key_id is not None else None,
            stored.get("thumbprint", ""),
            added=stored.get("added", False),
            given=stored.get("given", False),
        )


SECRET = Held()
