"""A call with its verified caller: what every operation of Azure Resource Manager gets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from local.cloud.arm import errors
from local.cloud.engine.http import HttpRequest, Json, Reply
from local.cloud.rbac.access import Verdict, decide
from local.cloud.rbac.condition_evaluation import Circumstances
from local.cloud.rbac.scopes import Scope

if TYPE_CHECKING:
    from local.cloud.arm.settings import Settings
    from local.cloud.local_azure import LocalAzure

_GUID = re.compile(r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom the token names. ``name`` is how error texts call them: user name, or the application's id."""

    object_id: str
    name: str

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> Caller:
        """The caller that verified claims name."""
        object_id = str(claims.get("oid", claims.get("sub", "")))
        names = ("upn", "unique_name", "preferred_username", "appid", "azp")
        name = next((str(claims[claim]) for claim in names if claims.get(claim)), object_id)
        return cls(object_id, name)


@dataclass(frozen=True, slots=True)
class ArmRequest:
    """One authenticated call."""

    world: LocalAzure
    call: HttpRequest
    caller: Caller
    settings: Settings

    @property
    def scope(self) -> Scope:
        """The scope in front of ``/providers/Microsoft.Authorization``."""
        return Scope.of(self.call.params["scope"])

    @property
    def version(self) -> str:
        """The api-version's date: ``2022-04-01`` of ``2022-04-01-preview``. Dates order as texts."""
        return query(self.call, "api-version")[:10]

    def json(self) -> Json:
        """The body; raises Azure's 400 when it is not a JSON object."""
        try:
            return self.call.json()
        except ValueError as fault:
            raise errors.refusal(
                400,
                "InvalidRequestContent",
                f"The request content was invalid and could not be deserialized: '{fault}'.",
            ) from fault

    def require(self, action: str, at: Scope, over: str | None = None) -> None:
        """Raises 403 AuthorizationFailed unless the caller may do this; ``over`` is the id that the text names."""
        self.require_circumstances(Circumstances(action), at, over)

    def require_circumstances(self, circumstances: Circumstances, at: Scope, over: str | None = None) -> None:
        """The same, with what conditions look at."""
        verdict = decide(self.world, self.caller.object_id, at, circumstances)
        if verdict is not Verdict.GRANTED:
            raise self.forbidden(circumstances.action, over or at.path, verdict)

    def allows(self, action: str, at: Scope) -> bool:
        """Whether the caller may do this."""
        return decide(self.world, self.caller.object_id, at, Circumstances(action)) is Verdict.GRANTED

    def forbidden(self, action: str, over: str, verdict: Verdict) -> Exception:
        """403 in Azure's words: a condition that stands in the way is told from no role at all."""
        lacks = (
            "has an authorization with ABAC condition that is not fulfilled"
            if verdict is Verdict.CONDITION_UNMET
            else "does not have authorization"
        )
        return errors.gateway_refusal(
            403,
            "AuthorizationFailed",
            f"The client '{self.caller.name}' with object id '{self.caller.object_id}' {lacks} to perform action "
            f"'{action}' over scope '{over}' or the scope is invalid. If access was recently granted, please refresh "
            "your credentials.",
        )


type Operation = Callable[[ArmRequest], Reply]


def query(call: HttpRequest, name: str) -> str:
    """A query parameter's value, by its name in any case; empty when it is missing."""
    return next((value for key, value in call.query.items() if key.lower() == name.lower()), "")


def only(body: Mapping[str, Any], *known: str) -> None:
    """Raises 501 for a property that the local cloud does not know: Azure may take it, and would then heed it."""
    for name, value in body.items():
        if name not in known and value is not None:
            raise errors.not_implemented(f"the property {name} here")


def is_guid(text: object) -> bool:
    """Whether this is a GUID with dashes."""
    return isinstance(text, str) and _GUID.match(text) is not None


def instant(seconds: float) -> str:
    """A time as Azure Resource Manager writes it: UTC with seven digits of a second."""
    whole, fraction = divmod(round(seconds * 10_000_000), 10_000_000)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:07d}Z"
