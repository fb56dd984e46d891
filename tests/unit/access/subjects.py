"""Claims, directories and short ways to write outcomes, for the tests of who may have what."""

from __future__ import annotations

from typing import Any

from shared.core.access.documents import outcome_of
from shared.core.access.match import Matched, NotMatched
from shared.core.names import ObjectId

HOME = ObjectId.parse("00000000-0000-0000-0000-0000000000aa")
AWAY = ObjectId.parse("00000000-0000-0000-0000-0000000000bb")
ME = "11111111-0000-0000-0000-0000000000ab"
APP = "22222222-0000-0000-0000-0000000000ab"
GROUP = "33333333-0000-0000-0000-0000000000ab"
SUB = "44444444-0000-0000-0000-0000000000ab"
OTHER = "99999999-0000-0000-0000-0000000000ab"

IN_APP = f"/subscriptions/{SUB}/resourceGroups/app"
COMPUTE = f"{IN_APP}/providers/Microsoft.Compute"
VM = f"{COMPUTE}/virtualMachines/web"
SET = f"{COMPUTE}/virtualMachineScaleSets/web"
UNREADABLE = None
"""A directory that could not be asked."""
UNKNOWN = "unknown"
"""What ``outcome`` returns if a fact could not be read."""

type Json = dict[str, Any]


def claims(**changes: Any) -> Json:
    """Returns the claims of a program in the broker's tenant. A change to ``...`` takes a claim away."""
    whole = {"oid": ME, "appid": APP} | changes
    return {name: value for name, value in whole.items() if value is not ...}


def user(**changes: Any) -> Json:
    """Returns the claims of somebody who has signed in through that program."""
    return claims(scp="openid access", **changes)


def identity(*names: Any, kind: Any = "ManagedIdentity", **more: Any) -> Json:
    """Returns what the directory shows of a managed identity with these alternative names."""
    return {"servicePrincipalType": kind, "alternativeNames": ["isExplicit=False", *names], **more}


def outcome(auth_role: Json, of: Json, *directory: Any) -> str | tuple[str, ...]:
    """Returns the kinds that fail, by the names that follow ``bound_``: none of them, ``()``, if the auth role matches."""
    found = outcome_of(auth_role, of, *directory, home=HOME)
    if isinstance(found, NotMatched):
        return tuple(kind.value.removeprefix("bound_") for kind in found.failed)
    return () if isinstance(found, Matched) else UNKNOWN


def bound(**kinds: Any) -> Json:
    """Returns an auth role. A value that is no list stands for a list of it alone."""
    return {f"bound_{kind}": value if isinstance(value, list) else [value] for kind, value in kinds.items()}
