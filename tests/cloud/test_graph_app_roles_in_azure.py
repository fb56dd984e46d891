"""Application permissions of Microsoft Graph, given over real connections to principals that were made a moment ago."""

from __future__ import annotations

import asyncio

import pytest

from shared.cloud.entra.unverified_token import read
from shared.core.errors import AmbiguousRefusal, NotReplicated, Refused
from shared.core.graph_app_roles import OfferedAppRoles
from shared.core.names import ObjectId
from shared.issuers.service_principal.broker_trust import BrokerTrust
from tests.cloud.adapters import Adapters
from tests.cloud.test_against_local_cloud import NEW, NOBODY, made

PERMISSIONS = ("AppRoleAssignment.ReadWrite.All", "Application.Read.All")
"""What ``infra/entra.sh permissions --graph-app-roles`` gives beside the rest."""
GRAPH = "https://graph.microsoft.com/.default"


def permit(adapters: Adapters, *names: str) -> None:
    """The broker gets these."""
    adapters.cloud.control("POST", "app-roles", {"identity": "leasehold", "app_roles": [*names]})


async def give(adapters: Adapters, to: ObjectId, offered: OfferedAppRoles, name: str = "User.Read.All") -> None:
    """One permission."""
    await adapters.app_roles.give(to, offered.resource, offered.ids[name])


async def test_graph_offers_its_permissions_to_whoever_may_register_applications(adapters: Adapters) -> None:
    """No further permission is needed to write a role."""
    offered = await adapters.app_roles.offered()
    assert "df021288-bdef-4463-88db-98f22de89214" == offered.ids["User.Read.All"]


@pytest.mark.parametrize("held", [(), PERMISSIONS[:1], PERMISSIONS[1:]])
async def test_a_broker_without_both_permissions_gives_none(adapters: Adapters, held: tuple[str, ...]) -> None:
    """403, which no waiting changes."""
    permit(adapters, *held)
    _, principal = await made(adapters)
    with pytest.raises(Refused) as caught:
        await give(adapters, principal, await adapters.app_roles.offered())
    assert (Refused, 403, "Authorization_RequestDenied") == (
        type(caught.value),
        caught.value.status,
        caught.value.azure_code,
    )


async def test_a_permission_is_given_once(adapters: Adapters) -> None:
    """Given again, it is there already; and tokens for Graph carry both."""
    permit(adapters, *PERMISSIONS)
    application, principal = await made(adapters)
    await BrokerTrust(adapters.graph, adapters.lease_sign_in, adapters.exchange).add(application.object_id)
    offered = await adapters.app_roles.offered()
    await asyncio.gather(*(give(adapters, principal, offered, name) for name in ("User.Read.All", "Group.Read.All")))
    await give(adapters, principal, offered)
    wanted, deadline = frozenset({"User.Read.All", "Group.Read.All"}), adapters.lease_sign_in.clock.monotonic() + 20
    found = await adapters.lease_sign_in.token(application.app_id, GRAPH, deadline=deadline, carrying=wanted)
    assert wanted == {*read(found.token.reveal()).claims["roles"]}
    await adapters.graph.delete_principal(principal)
    with pytest.raises(NotReplicated):
        await adapters.lease_sign_in.token(application.app_id, GRAPH, deadline=deadline, carrying=wanted)


async def test_a_principal_that_a_replica_does_not_know_yet(adapters: Adapters) -> None:
    """Which it says as of a wrong reference; nobody at all is absent. Both may pass."""
    permit(adapters, *PERMISSIONS)
    offered, application = await adapters.app_roles.offered(), await adapters.graph.upsert_application(NEW)
    adapters.cloud.control("PUT", "consistency", {"profile": "scattered", "seed": 1})
    try:
        principal = await adapters.graph.create_principal(application.app_id)
        outcomes = await asyncio.gather(*(give(adapters, principal, offered) for _ in range(12)), return_exceptions=True)
    finally:
        adapters.cloud.control("PUT", "consistency", {"profile": "none"})
    failed = {type(each) for each in outcomes if each is not None}
    assert {AmbiguousRefusal} == failed


async def test_nobody_gets_nothing(adapters: Adapters) -> None:
    """A principal that never was: doubted as one that is fresh."""
    permit(adapters, *PERMISSIONS)
    with pytest.raises(Refused) as caught:
        await give(adapters, NOBODY, await adapters.app_roles.offered())
    assert 404 == caught.value.status
