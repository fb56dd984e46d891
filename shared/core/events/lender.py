"""The caller that has written an event rule. The rule acts with this caller's rights, and never with more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from shared.core.caller import Caller, CallerType
from shared.core.names import ObjectId
from shared.core.typed import named, typed


@dataclass(frozen=True, slots=True)
class Lender:
    """What was verified of the writer when the rule was written. Nothing of its token is kept but this."""

    object_id: ObjectId
    tenant_id: ObjectId
    kind: CallerType
    app_id: ObjectId | None = None
    app_roles: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    has_more_groups: bool = False
    at_home: bool = True

    @classmethod
    def of(cls, caller: Caller) -> Self:
        """Returns the lender that this caller is."""
        return cls(
            caller.object_id,
            caller.tenant_id,
            caller.kind,
            caller.app_id,
            tuple(sorted(caller.app_roles)),
            tuple(sorted(caller.groups)),
            caller.has_more_groups,
            caller.at_home,
        )

    def caller(self) -> Caller:
        """Returns the caller, as it was verified."""
        return Caller(
            object_id=self.object_id,
            tenant_id=self.tenant_id,
            kind=self.kind,
            token_fingerprint="",
            app_id=self.app_id,
            app_roles=frozenset(self.app_roles),
            groups=frozenset(self.groups),
            has_more_groups=self.has_more_groups,
            at_home=self.at_home,
        )


def write_lender(lender: Lender) -> dict[str, Any]:
    """Returns what is stored of a lender."""
    return {
        "object_id": lender.object_id,
        "tenant_id": lender.tenant_id,
        "kind": lender.kind.value,
        **({"app_id": lender.app_id} if lender.app_id is not None else {}),
        "app_roles": [*lender.app_roles],
        "groups": [*lender.groups],
        "has_more_groups": lender.has_more_groups,
        "at_home": lender.at_home,
    }


def restore_lender(stored: Any) -> Lender | None:
    """Returns the lender; ``None`` if it cannot be read. Then the rule acts for nobody."""
    if not isinstance(stored, Mapping):
        return None
    try:
        return typed(
            Lender(
                named(ObjectId.parse, stored["object_id"]),
                named(ObjectId.parse, stored["tenant_id"]),
                CallerType(stored["kind"]),
                named(ObjectId.parse, stored["app_id"]) if "app_id" in stored else None,
                tuple(stored["app_roles"]),
                tuple(stored["groups"]),
                stored["has_more_groups"],
                stored["at_home"],
            )
        )
    except (KeyError, TypeError, ValueError):
        return None
