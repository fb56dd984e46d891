"""Groups and their members, as Graph tells of them."""

from __future__ import annotations

import pytest

from shared.cloud.graph.directory import Graph
from shared.core.directory import FoundGroup
from shared.core.errors import Absent, Refused, Upstream
from tests.cloud.graph_answers import CLIENT, GROUP, PRINCIPAL, found
from tests.cloud.scripted import Scripted, refused


@pytest.mark.parametrize("member", [[GROUP], [GROUP.upper()]])
async def test_a_member_already_is_success(graph: Graph, service: Scripted, member: list[str]) -> None:
    """Graph's 400 has no code of its own for it, so a second call asks."""
    service.will(refused(400, "Request_BadRequest"), found(value=member))
    await graph.add_member(GROUP, PRINCIPAL)
    assert f"POST /v1.0/servicePrincipals/{PRINCIPAL}/checkMemberGroups" == service.lines[1]
    assert {"groupIds": [GROUP]} == service.body()


@pytest.mark.parametrize("value", [[], [CLIENT], None])
async def test_a_refusal_to_add_a_member_stays_one_if_it_is_none(graph: Graph, service: Scripted, value: object) -> None:
    """Such as for a group with a membership rule."""
    service.will(refused(400, "Request_BadRequest"), found(value=value))
    with pytest.raises(Refused):
        await graph.add_member(GROUP, PRINCIPAL)


@pytest.mark.parametrize(("status", "expected"), [(403, Refused), (404, Absent)])
async def test_other_refusals_to_add_a_member_ask_nothing(
    graph: Graph, service: Scripted, status: int, expected: type[Upstream]
) -> None:
    """They say what they mean."""
    service.will(refused(status))
    with pytest.raises(expected):
        await graph.add_member(GROUP, PRINCIPAL)
    assert 1 == len(service.calls)


async def test_reads_what_kind_a_group_is_of(graph: Graph, service: Scripted) -> None:
    """One call each; what Graph does not say is as usual."""
    dynamic = {"securityEnabled": True, "mailEnabled": True, "groupTypes": ["Unified", "DynamicMembership"]}
    service.will(found(**dynamic), found(onPremisesSyncEnabled=True, isAssignableToRole=True))
    service.will(found(securityEnabled=False), refused(404))
    assert FoundGroup(mail=True, types=("Unified", "DynamicMembership")) == await graph.read_group(GROUP)
    assert FoundGroup(role_assignable=True, synchronized=True) == await graph.read_group(GROUP)
    assert FoundGroup(security=False) == await graph.read_group(GROUP)
    with pytest.raises(Absent):
        await graph.read_group(GROUP)
    fields = "securityEnabled,mailEnabled,groupTypes,isAssignableToRole,onPremisesSyncEnabled"
    assert [f"GET /v1.0/groups/{GROUP}?$select={fields}"] * 4 == service.lines
