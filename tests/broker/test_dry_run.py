"""What an issue would make, without making it; and what the audit trail has of both."""

from __future__ import annotations

from typing import Any

import pytest

from shared.broker.issue.dry_run import WouldIssue, would_issue
from shared.broker.issue.issue import IssueRequest
from shared.broker.ports import Actor
from shared.core.access.bounds import Bounds
from shared.core.errors import Forbidden, Malformed, RoleOutdated, TooManyIssues
from shared.core.limits import Limits
from shared.core.names import RoleName
from shared.core.parameters.errors import NotWithin, ParameterNotAllowed
from shared.core.ports.inventory import ScopeState
from shared.core.protection import Protected
from tests.broker.scenes import AZURE, issued
from tests.fakes.world import ALICE, BOB, DEFINITION, SCOPES, WEB, World, principal_target, request, role, world
from tests.support.every_kind import EVERY_KIND, kinds_for
from tests.support.holes import FILLED, STORAGE, VALUES, asking, group, keep_rules, rule, target

PLAIN, GROUPS_ONLY = RoleName("plain"), RoleName("groups")
BELOW = f"{SCOPES[0]}/{STORAGE}/logs1"


async def tried(made: World, by: Actor | None = None, **ask: Any) -> WouldIssue:
    """Alice asks what she would get."""
    return await would_issue(made.ports, by or request(), IssueRequest(**({"role": WEB} | ask)))


def all_that_is_kept(made: World) -> tuple[object, ...]:
    """Whatever a dry run must leave alone."""
    return made.leases.rows, made.leases.keys, made.roles.contents(), made.leftovers(), made.access.contents()


@pytest.mark.parametrize("name", EVERY_KIND)
async def test_nothing_is_made_whatever_the_role_mints(name: str) -> None:
    """No lease, no key, no write to Azure, no room in a cap; and no look at the target."""
    of = EVERY_KIND[name].target
    made = world(role(of, max_leases=1, max_leases_per_caller=1), kinds=kinds_for(of))
    before = all_that_is_kept(made)
    await tried(made, ask=made.ask)
    found = await tried(made, ttl=120, ask=made.ask)
    assert before == all_that_is_kept(made)
    assert {"audit"} == {each.service for each in made.calls.made if each.name.partition(".")[2] in {"record", "put", "open"}}
    assert not (AZURE | {"inventory"}) & {call.service for call in made.calls.made}
    assert (120, of.type) == (found.ttl, found.role.type)
    assert made.ports.kinds.azure_roles(role(of)) == found.azure_roles
    await issued(made)


async def test_it_says_what_would_be_made() -> None:
    """Scopes, definitions and values: those of the lease that follows."""
    made = world(role(target()))
    found = await tried(made, ask=asking(f"{FILLED}/blobServices/default/containers/box", **VALUES))
    assert (VALUES, [DEFINITION]) == (found.parameters, [each.definition_id for each in found.azure_roles])
    lease = (await issued(made, ask=asking(found.within, **VALUES))).lease
    assert (found.scopes, found.within, found.parameters) == (lease.scopes, lease.within, lease.parameters)


async def test_a_lifetime_is_cut_and_judged_as_in_an_issue() -> None:
    """By the setting, and by the role."""
    made = world(role(ttl=300, max_ttl=600), limits=Limits(max_ttl=200))
    found = await tried(made)
    assert (200, 200) == (found.ttl, found.role.max_ttl)
    with pytest.raises(Malformed, match="ttl"):
        await tried(made, ttl=300)


async def test_it_is_refused_as_an_issue_is() -> None:
    """In the same words, and for the same reasons."""
    made = world(role(target()), protected=Protected(scopes=(group("app-broker"),)))
    for kind, ask in (
        (ParameterNotAllowed, asking(**{**VALUES, "group": "prod"})),
        (Malformed, asking(group="app-web")),
        (Malformed, asking(**{**VALUES, "group": "app-broker"})),
        (NotWithin, asking(str(group("app-web")), **VALUES)),
    ):
        message = []
        for verb in (tried, issued):
            with pytest.raises(kind) as refused:
                await verb(made, ask=ask)
            message.append((refused.value.stable_code, refused.value.detail, getattr(refused.value, "faults", ())))
        assert message[0] == message[1]
    assert {} == made.leases.rows


async def test_a_stranger_is_refused() -> None:
    """And an outdated role."""
    made = world(role(target(), bounds=Bounds()))
    with pytest.raises(Forbidden):
        await tried(made, ask=asking(**VALUES))
    with pytest.raises(RoleOutdated):
        await tried(world(role(), protected=Protected(scopes=(SCOPES[0],))))


async def test_a_target_that_is_not_there_is_not_looked_for() -> None:
    """An issue would say so."""
    made = world(role(target()))
    made.inventory.missing = {FILLED: ScopeState.NO_RESOURCE}
    assert (FILLED,) == (await tried(made, ask=asking(**VALUES))).scopes


async def test_it_counts_among_the_issues_of_a_minute() -> None:
    """So that bounds are not tried out at any rate; refusals count as an issue's do."""
    made = world(role(target()), limits=Limits(issues_per_minute=3))
    for _ in range(3):
        await tried(made, ask=asking(**VALUES))
    for verb in (tried, issued):
        with pytest.raises(TooManyIssues):
            await verb(made, ask=asking(**VALUES))
    made.clock.jump(61)
    await issued(made, ask=asking(**VALUES))
    for _ in range(2):
        await tried(made, ask=asking(**VALUES))
    with pytest.raises(TooManyIssues):
        await tried(made, ask=asking(**VALUES))


@pytest.mark.parametrize("path", ["policies", "policies/*"])
async def test_who_has_decided_is_told_to_those_who_may_read_policies(path: str) -> None:
    """Nobody else sees it."""
    made = world(role(target()))
    assert (await tried(made, ask=asking(**VALUES))).decided_by is None
    keep_rules(made, rule(), rule(path, ("read",)))
    assert (await tried(made, ask=asking(**VALUES))).decided_by is not None
    assert (await tried(made, request(BOB), ask=asking(**VALUES))).decided_by is None


async def test_the_trail_has_what_was_asked_for_and_granted() -> None:
    """Of an issue and of a dry run alike."""
    made = world(role(target()), role(principal_target(1, 0), PLAIN), role(principal_target(0, 1), GROUPS_ONLY))
    await tried(made, ask=asking(**VALUES))
    await issued(made, ask=asking(**VALUES))
    asked = {"parameters": VALUES, "scopes": [FILLED]}
    assert [("dry_run", asked), ("issue", asked)] == [(each.operation, each.granted) for each in made.audit.events]
    await issued(made, role=PLAIN, ask=asking(BELOW))
    await issued(made, role=PLAIN)
    await issued(made, role=GROUPS_ONLY)
    message = [each.granted for each in made.audit.events[2:]]
    assert [{"scopes": [BELOW], "within": BELOW}, {"scopes": [SCOPES[0]]}, None] == message
    assert ALICE == made.audit.events[0].caller
    assert made.audit.events[0].decided_by is not None
