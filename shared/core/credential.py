"""What a caller gets."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.names import ObjectId
from shared.core.secret import Secret


@dataclass(frozen=True, slots=True)
class ClientSecretCredential:
    """A client secret of a service principal: what OAuth's client credentials flow takes."""

    type: str
    tenant_id: ObjectId
    client_id: ObjectId
    client_secret: Secret
    object_id: ObjectId | None
    """The service principal's object id; ``None`` where it is not known (a secret on an existing application)."""
    secret_id: ObjectId
    subscription_id: ObjectId | None = None


type Credential = ClientSecretCredential
