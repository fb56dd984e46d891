"""Directory objects as issuers and Azure's clients speak of them."""

from __future__ import annotations

from dataclasses import dataclass

from shared.core.names import ObjectId
from shared.core.secret import Secret


@dataclass(frozen=True, slots=True)
class NewApplication:
    """What to register. ``unique_name`` makes the registration repeatable."""

    unique_name: str
    display_name: str
    sign_in_audience: str
    tags: tuple[str, ...]
    notes: str


@dataclass(frozen=True, slots=True)
class ApplicationIds:
    """An application's object id and client id."""

    object_id: ObjectId
    app_id: ObjectId


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A client secret, as Graph tells it once."""

    key_id: ObjectId
    secret: Secret


@dataclass(frozen=True, slots=True)
class HeldCredentials:
    """How many credentials an application holds, whoever made them, and who may sign in to it (``signInAudience``)."""

    secrets: int
    certificates: int
    sign_in_audience: str


@dataclass(frozen=True, slots=True)
class ExistingApplication:
    """An application that the broker did not make."""

    object_id: ObjectId
    app_id: ObjectId
    principal_id: ObjectId | None
