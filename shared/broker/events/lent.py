"""The caller with whose rights a rule acts, as it is today; and the holder for whom it issues."""

from __future__ import annotations

from dataclasses import replace

from shared.broker.holder_resources import note_principal
from shared.broker.ports import Ports
from shared.core.access.facts import Unread
from shared.core.caller import Caller, CallerType
from shared.core.events.lender import Lender
from shared.core.names import ObjectId


async def lender_today(ports: Ports, lender: Lender) -> Caller | None:
    """Returns the lender with the groups and the app roles that it has today, and no app role that it had not when it wrote
    the rule. ``None`` if the directory has no such account any more, or has disabled it. Raises ``Upstream``.

    Of a caller of another tenant, the broker's directory knows nothing: it stays as it was verified.
    """
    caller = lender.caller()
    if not lender.at_home:
        return caller
    found = await ports.subjects.find(lender.object_id)
    if found is None or not found.is_enabled:
        return None
    app_roles = caller.app_roles & found.app_roles
    if isinstance(found.groups, Unread):
        # Whatever goes by groups is then unknown, until they can be read.
        return replace(caller, app_roles=app_roles, groups=frozenset(), has_more_groups=True)
    return replace(caller, app_roles=app_roles, groups=found.groups, has_more_groups=False)


async def holder_today(ports: Ports, object_id: ObjectId) -> Caller | None:
    """Returns the holder as a caller of the home tenant; ``None`` if the directory does not know it, or not yet. Notes whose
    identity it is.

    Raises ``Upstream``.
    """
    found = await ports.subjects.find(object_id)
    if found is None:
        return None
    await note_principal(ports, object_id, found.principal)
    kind = CallerType.USER if found.is_user else CallerType.APPLICATION
    return Caller(object_id, ports.home, kind, token_fingerprint="", app_id=found.app_id, name=found.name)
