"""A role that is changed reaches its live leases."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest

from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest
from shared.broker.renew import renew
from shared.core.errors import Conflict
from shared.core.lease import State
from shared.core.names import ObjectId, Scope
from shared.core.role import Target, UnknownTarget
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from tests.broker.scenes import stored, swept
from tests.fakes.calls import MadeCall
from tests.fakes.world import (
    DEFINITION,
    GROUPS,
    SCOPES,
    WEB,
    World,
    guid,
    principal_target,
    request,
    role,
    secret_target,
    world,
)
from tests.support.kinds import digest_of as target_digest
from tests.support.kinds import store_role

ONE, TWO = principal_target(roles=2).azure_roles
OTHER_DEFINITION = DEFINITION[:-36] + guid(4)
BASE = principal_target(roles=2, groups=2)
CHANGED: dict[str, Target] = {
    "definition": replace(BASE, azure_roles=(replace(ONE, definition_id=OTHER_DEFINITION), TWO)),
    "scope": replace(BASE, azure_roles=(ONE, replace(TWO, scope=SCOPES[3]))),
    "wider scope": replace(BASE, azure_roles=(ONE, replace(TWO, scope=Scope(SCOPES[1].rpartition("/resourceGroups")[0])))),
    "condition": replace(BASE, azure_roles=(replace(ONE, condition="@Resource[Contoso.A/b:c] StringEquals 'y'"), TWO)),
    "an assignment less": replace(BASE, azure_roles=(ONE,)),
    "an assignment more": replace(BASE, azure_roles=(ONE, TWO, replace(TWO, scope=SCOPES[3]))),
    "group": replace(BASE, azure_groups=(GROUPS[0], GROUPS[5])),
    "no group": replace(BASE, azure_groups=()),
    "audience": replace(BASE, sign_in_audience="AzureADMultipleOrgs"),
    "type": secret_target(),
    "unreadable": UnknownTarget(),
}
SAME: dict[str, Target] = {
    "tags": replace(BASE, tags=("team",)),
    "ready": replace(BASE, ready="token"),
    "permanently_delete": replace(BASE, permanently_delete=False),
    "order": replace(BASE, azure_roles=(TWO, ONE), azure_groups=(GROUPS[1], GROUPS[0])),
    "case": replace(BASE, azure_roles=(replace(ONE, scope=Scope(SCOPES[0].upper())), TWO)),
    "a name for an id": replace(BASE, azure_roles=(replace(ONE, role_name=None, role_id=DEFINITION.upper()), TWO)),
    "the definition's own scope": replace(
        BASE, azure_roles=(replace(ONE, definition_id=f"/providers/Microsoft.Authorization/roleDefinitions/{guid(3)}"), TWO)
    ),
}


async def leased(target: Target = BASE, **more: Any) -> World:
    """Alice holds a lease, issued under a key five minutes ago."""
    made = world(role(target, **more))
    await once(made)
    made.clock.jump(300)
    return made


async def once(scene: World) -> Issued:
    """Alice asks under her key, for the first time or again."""
    return await issue_once(scene.ports, request(), IssueRequest(WEB), "k")


def keep(scene: World, target: Target) -> None:
    """The role is another by now: of a type that nobody knows where the target is unknown."""
    if isinstance(target, UnknownTarget):
        scene.roles.keep_document(WEB, store_role(role()) | {"type": "planet"})
    else:
        scene.roles.keep(role(target))


async def refused(scene: World) -> set[str]:
    """With what a renewal and a repeat are refused."""
    codes = set()
    for work in (lambda: renew(scene.ports, request(), stored(scene).id, None), lambda: once(scene)):
        with pytest.raises(Conflict) as caught:
            await work()
        codes.add(caught.value.stable_code)
    return codes


@pytest.mark.parametrize("what", CHANGED)
async def test_a_lease_whose_role_grants_something_else_gets_no_more(what: str) -> None:
    """Neither time nor a fresh secret. What it has stays until its end, and goes then."""
    scene = await leased()
    before = (stored(scene), scene.leftovers())
    keep(scene, CHANGED[what])
    assert {"role_changed"} == await refused(scene)
    assert before == (stored(scene), scene.leftovers())
    await swept(scene, after=900)
    assert (State.ENDED, []) == (stored(scene).state, scene.leftovers())


@pytest.mark.parametrize("what", SAME)
async def test_what_grants_the_same_changes_nothing(what: str) -> None:
    """However it is written, and whatever else the role says."""
    scene = await leased()
    scene.roles.keep(role(SAME[what], ttl=60, max_leases=1))
    await renew(scene.ports, request(), stored(scene).id, None)
    assert stored(scene).id == (await once(scene)).lease.id


async def test_another_application_is_another_target() -> None:
    """And its service principal, which may come later, is not."""
    scene = await leased(secret_target())
    scene.roles.keep(role(replace(secret_target(ready="token"), principal_id=None)))
    await renew(scene.ports, request(), stored(scene).id, None)
    scene.roles.keep(role(replace(secret_target(), application_object_id=guid(0x777))))
    assert {"role_changed"} == await refused(scene)


async def test_a_role_that_is_renewable_no_more_renews_nothing() -> None:
    """The lease was issued when it was. A repeat gets its fresh secret."""
    scene = await leased()
    scene.roles.keep(role(BASE, renewable=False))
    with pytest.raises(Conflict) as caught:
        await renew(scene.ports, request(), stored(scene).id, None)
    assert "not_renewable" == caught.value.stable_code
    await once(scene)


async def test_a_lease_that_was_not_renewable_stays_so() -> None:
    """Its secret would end before a longer lease."""
    scene = await leased(renewable=False)
    scene.roles.keep(role(BASE, renewable=True))
    with pytest.raises(Conflict) as caught:
        await renew(scene.ports, request(), stored(scene).id, None)
    assert "not_renewable" == caught.value.stable_code


async def test_a_lease_from_before_is_renewed_and_repeated_as_before_and_audited_as_such() -> None:
    """It does not tell what its role granted."""
    scene = await leased()
    scene.leases.rows[stored(scene).id] = replace(stored(scene), target_digest="")
    scene.roles.keep(role(CHANGED["scope"]))
    await renew(scene.ports, request(), stored(scene).id, None)
    await once(scene)
    result = {event.operation: event.reason for event in scene.audit.events if event.operation in {"renew", "reissue"}}
    assert dict.fromkeys(("renew", "reissue"), "the lease does not tell what its role granted") == result


async def test_of_a_lease_that_tells_what_its_role_granted_nothing_is_audited_beside() -> None:
    """Renewed or repeated under the same role."""
    scene = await leased()
    await renew(scene.ports, request(), stored(scene).id, None)
    await once(scene)
    assert ["", ""] == [event.reason for event in scene.audit.events if event.operation in {"renew", "reissue"}]


async def test_a_role_that_changes_while_a_repeat_waits_is_met_as_it_is_then() -> None:
    """The first request is still at work when the second one comes."""
    scene = await leased()
    scene.leases.rows[stored(scene).id] = stored(scene).rotating(scene.clock.now().replace(year=2027))

    def moved(call: MadeCall) -> None:
        look = len(scene.calls.named("leases.find_key")) - before if call.name == "leases.find_key" else 0
        if look == 2:
            scene.roles.keep(role(CHANGED["group"]))
        if look == 3:
            scene.leases.rows[stored(scene).id] = replace(stored(scene), rotating_until=None)

    before = len(scene.calls.named("leases.find_key"))
    scene.calls.watch = moved
    with pytest.raises(Conflict) as caught:
        await once(scene)
    assert "role_changed" == caught.value.stable_code


def test_a_target_is_told_apart_from_every_other() -> None:
    """No two of them have one digest."""
    targets: list[Target] = [BASE, secret_target(), *CHANGED.values()]
    assert len({target_digest(each) for each in targets}) == len(targets) - 1  # the one of another type is in it twice
    assert {target_digest(BASE)} == {target_digest(each) for each in SAME.values()}


def test_a_digest_stays_what_it_was() -> None:
    """Leases keep it across upgrades."""
    assert target_digest(principal_target(roles=1, groups=1)) == FROZEN
    assert target_digest(ServicePrincipalTarget(azure_groups=(ObjectId(guid(7)),))) == FROZEN_GROUP
    assert target_digest(secret_target()) == FROZEN_SECRET
    assert target_digest(UnknownTarget()) == sha256(b"{}").hexdigest()


FROZEN = "16ba3fd1e556d7c88c22e0e3b2f6fc2da1fab2c2a94e6b4e8397fb0708a33638"
FROZEN_GROUP = "826d3d769231271158aef5bf7006edc74034632720e4c152d65551ae1c9f06e5"
FROZEN_SECRET = "397fe2c0ef9a5e5b8bd85a2ff255ed439277db70ec8f131e48fcd8a39481d9a8"
