"""What is sent about a secret, checked field by field: https://learn.microsoft.com/rest/api/keyvault/secrets/set-secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.cloud.key_vault import errors

if TYPE_CHECKING:
    from local.cloud.engine.http import Json
    from local.cloud.key_vault.store import Version

_MOST_OCTETS = 25 * 1024
"""Of a value: https://learn.microsoft.com/azure/key-vault/secrets/about-secrets#secret-attributes and above it."""
_MOST_TAGS = 15
_MOST_OF_TAG = 256
_MOST_OF_TYPE = 255
_ATTRIBUTES = {"enabled", "nbf", "exp"}
_AZURES_OWN = {"created", "updated", "recoveryLevel", "recoverableDays"}
"""Passed over, as is what Azure alone sets."""
_PROPERTIES = {"attributes", "contentType", "tags"}


@dataclass(frozen=True, slots=True)
class Given:
    """What a body says beside the value; ``None`` where it says nothing."""

    enabled: bool | None
    not_before: int | None
    expires: int | None
    content_type: str | None
    tags: dict[str, str] | None

    def apply(self, version: Version) -> None:
        """Changes what was given, and nothing else. Tags are replaced as a whole."""
        for name in ("enabled", "not_before", "expires", "content_type", "tags"):
            value = getattr(self, name)
            if value is not None:
                setattr(version, name, value)


def value(body: Json) -> str:
    """The secret's value; raises 400."""
    given = body.get("value")
    if not isinstance(given, str):
        raise errors.bad_parameter("Property value must be a text.")
    if len(given.encode()) > _MOST_OCTETS:
        raise errors.bad_parameter(f"Property value must be at most {_MOST_OCTETS} octets.")
    return given


def properties(body: Json, *, beside: frozenset[str] = frozenset()) -> Given:
    """All else; raises 400, and 501 for a property that is not known here."""
    if unknown := sorted(body.keys() - _PROPERTIES - beside):
        raise errors.not_implemented(f"the property {unknown[0]} of a secret")
    attributes = _attributes(body)
    return Given(
        enabled=_enabled(attributes),
        not_before=_instant(attributes, "nbf"),
        expires=_instant(attributes, "exp"),
        content_type=_content_type(body),
        tags=_tags(body),
    )


def _attributes(body: Json) -> Json:
    given = body.get("attributes") or {}
    if not isinstance(given, dict):
        raise errors.bad_parameter("Property attributes must be an object.")
    if unknown := sorted(given.keys() - _ATTRIBUTES - _AZURES_OWN):
        raise errors.not_implemented(f"the attribute {unknown[0]} of a secret")
    return given


def _enabled(attributes: Json) -> bool | None:
    given: Any = attributes.get("enabled")
    if not (given is None or isinstance(given, bool)):
        raise errors.bad_parameter("Attribute enabled must be true or false.")
    return given


def _instant(attributes: Json, name: str) -> int | None:
    given: Any = attributes.get(name)
    if given is not None and (isinstance(given, bool) or not isinstance(given, int) or given < 0):
        raise errors.bad_parameter(f"Attribute {name} must be a number of seconds since 1970.")
    return given


def _content_type(body: Json) -> str | None:
    given: Any = body.get("contentType")
    if given is not None and not (isinstance(given, str) and len(given) <= _MOST_OF_TYPE):
        raise errors.bad_parameter(f"Property contentType must be a text of at most {_MOST_OF_TYPE} characters.")
    return given


def _tags(body: Json) -> dict[str, str] | None:
    given: Any = body.get("tags")
    if given is None:
        return None
    if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
        raise errors.bad_parameter("Property tags must be an object of texts.")
    if len(given) > _MOST_TAGS:
        raise errors.bad_parameter(f"Property tags must have at most {_MOST_TAGS} tags.")
    if any(len(text) > _MOST_OF_TAG for pair in given.items() for text in pair):
        raise errors.bad_parameter(f"Names and values of tags must have at most {_MOST_OF_TAG} characters.")
    return dict(given)
