"""After an upgrade: the roles, leases and keys that commit 983a077 has written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.broker.configure.roles import delete_role, put_role
from shared.broker.ending.sweep import sweep
from shared.broker.inspect import list_leases, may_issue, status
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import IssueRequest, issue
from shared.broker.reconcile.reconcile import Result, reconcile
from shared.broker.renew import renew
from shared.broker.revoke import revoke
from shared.core import ownership
from shared.core.errors import Fault, Gone, RoleOutdated, Unreadable
from shared.core.footprint import Footprint
from shared.core.lease import State
from shared.core.names import LeaseId, RoleName
from shared.core.ports.audit import AuditQuery
from shared.core.ports.leases import LeaseQuery
from shared.core.role import Role
from shared.issuers.application_secret.schema import ApplicationSecretFootprint
from shared.issuers.service_principal.schema import ServicePrincipalFootprint, ServicePrincipalSchema, ServicePrincipalTarget
from shared.kinds import role_rules
from tests.fakes.cloud_state import Thing
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, DEFINITION, EXISTING, WATCHER, WEB, request
from tests.stored.kept_store import DOCUMENTS, FOLDER, LEASES, Scene
from tests.support.kinds import read_role, write_role

ADMIN, LEGACY = request(ADMINISTRATOR), RoleName("legacy")
LIVE = ("live", "keyed", "live_secret", "keyed_secret", "tagged")


@pytest.fixture
def a_rule_of_today(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that some of the stored roles break."""

    def plain(role: Role) -> Iterator[Fault]:
        if isinstance(role.target, ServicePrincipalTarget) and len(set(role.target.tags)) < len(role.target.tags):
            yield Fault("tags", "names a tag twice")

    monkeypatch.setattr("shared.kinds.role_document.RULES", (*role_rules.RULES, plain))
    monkeypatch.setattr(ServicePrincipalSchema, "rules", lambda *_: ())


def secret_of(footprint: Footprint) -> str | None:
    """The key id of the lease's secret."""
    match footprint:
        case ServicePrincipalFootprint():
            return footprint.secret_id
        case ApplicationSecretFootprint():
            return footprint.key_id
        case _:
            raise TypeError(footprint.type)


def of_leases(scene: Scene, *names: str) -> list[Thing]:
    """What there is of these leases in Azure."""
    return [thing for thing in scene.world.leftovers() if any(_is_of(LEASES[name], thing) for name in names)]


def _is_of(lease_id: LeaseId, thing: Thing) -> bool:
    return lease_id.ulid in thing.owner or (thing.kind == "assignment" and ownership.is_assignment_of(lease_id, thing.owner))


async def test_every_role_is_read_as_it_was_written(scene: Scene) -> None:
    """Field by field, with what was looked up."""
    stored = {row["RowKey"]: json.loads(row["Document0"]) for row in await scene.rows("roles") if row["PartitionKey"] == "role"}
    found = {role.name: role for role in await scene.ports.roles.list()}
    assert set(DOCUMENTS) == set(found) == set(stored)
    for name, role in found.items():
        assert {key: value for key, value in stored[name].items() if key != "resolved"} == write_role(role)
        if isinstance(role.target, ServicePrincipalTarget):
            assert {DEFINITION} >= {each.definition_id for each in role.target.azure_roles}


async def test_the_roles_decide_as_before(scene: Scene) -> None:
    """Alice and Bob may issue where the documents name them."""
    named = {name for name, document in DOCUMENTS.items() if ALICE.object_id in document.get("bound_service_principal_ids", ())}
    assert named - {"everything"} == {role.name for role in (await may_issue(scene.ports, request())).roles}
    assert named - {"everything"} == {role.name for role in (await may_issue(scene.ports, request(BOB))).roles}


@pytest.mark.usefixtures("a_rule_of_today")
async def test_a_role_that_breaks_a_rule_of_today_stands_in_nobodys_way(scene: Scene) -> None:
    """It is named by ``status`` and issues nothing; the others do, and the hourly work goes on."""
    with pytest.raises(RoleOutdated):
        await issue(scene.ports, request(), IssueRequest(RoleName("tagged")))
    assert "tagged" in {role.name for role in (await may_issue(scene.ports, request())).roles}
    assert [Fault("tags", "names a tag twice")] == [*(await status(scene.ports, ADMIN)).outdated[RoleName("tagged")]]
    assert State.ACTIVE is (await issue(scene.ports, request(), IssueRequest(WEB))).lease.state
    assert () == (await reconcile(scene.ports, "r")).unread
    renewed = await renew(scene.ports, request(), LEASES["tagged"], None)
    assert State.ENDED is (await revoke(scene.ports, request(), renewed.id)).state
    await put_role(scene.ports, ADMIN, read_role(RoleName("tagged"), DOCUMENTS["tagged"] | {"tags": ["team"]}))
    await issue(scene.ports, request(), IssueRequest(RoleName("tagged")))


async def test_a_role_whose_condition_names_no_attribute_issues_nothing(scene: Scene) -> None:
    """Azure would refuse each issue: ``status`` names it to administrators, and its document reads as it was written."""
    (fault,) = (await status(scene.ports, ADMIN)).outdated[RoleName("everything")]
    assert "azure_roles[0].condition" == fault.path
    with pytest.raises(RoleOutdated):
        await issue(scene.ports, ADMIN, IssueRequest(RoleName("everything")))


@pytest.mark.parametrize("what", LIVE)
async def test_live_leases_renew(scene: Scene, what: str) -> None:
    """For their holder, up to the end that they were given."""
    before = await scene.lease(what)
    scene.jump(200)
    renewed = await renew(scene.ports, request(), LEASES[what], 3000)
    assert renewed.expires_at > before.expires_at
    assert replace(renewed, expires_at=before.expires_at, due_at=before.due_at, version=before.version) == before


@pytest.mark.parametrize(
    ("what", "key", "ask"),
    [("keyed", "run-1", IssueRequest(WEB, ttl=1800, reason="nightly")), ("keyed_secret", "run-2", IssueRequest(LEGACY))],
)
async def test_a_repeat_under_its_key_gets_the_same_lease(scene: Scene, what: str, key: str, ask: IssueRequest) -> None:
    """With a fresh secret; the former one is removed."""
    before = await scene.lease(what)
    again = await issue_once(scene.ports, request(), ask, key)
    assert (before.id, before.rotations + 1) == (again.lease.id, again.lease.rotations)
    held = {key_id for application in scene.world.cloud.applications.values() for key_id in application.secrets}
    assert secret_of(before.footprint) not in held
    assert secret_of(again.lease.footprint) in held
    await revoke(scene.ports, request(), before.id)
    with pytest.raises(Gone):
        await issue_once(scene.ports, request(), ask, key)


@pytest.mark.parametrize("what", [*LIVE, "planned"])
async def test_leases_end(scene: Scene, what: str) -> None:
    """Nothing of it is left, and what belongs to the others is."""
    others = [thing for thing in scene.world.leftovers() if thing not in of_leases(scene, what)]
    scene.jump(600)
    assert State.ENDED is (await revoke(scene.ports, request(), LEASES[what])).state
    assert others == scene.world.leftovers()


async def test_all_of_it_ends_by_the_sweep(scene: Scene) -> None:
    """What was live, unfinished, ending and stuck; and after the retention the rows go as well."""
    scene.world.cloud.locked_scopes.clear()
    scene.jump(5 * 3600)
    await sweep(scene.ports, "s")
    assert {State.ENDED} == {(await scene.lease(what)).state for what in LEASES}
    assert [] == scene.world.leftovers()
    scene.jump(timedelta(days=8).total_seconds())
    await sweep(scene.ports, "s")
    assert [] == await scene.rows("leases")


async def test_what_cannot_be_ended_goes_on_being_tried(scene: Scene) -> None:
    """The lock stands: the stuck one stays so, the ending one has failed once more."""
    before = await scene.lease("ending")
    scene.jump(3 * 3600)
    await sweep(scene.ports, "s")
    after = await scene.lease("ending")
    assert (before.attempts + 1, State.STUCK) == (after.attempts, (await scene.lease("stuck")).state)
    assert [LEASES["stuck"]] == [each.id for each in (await status(scene.ports, request(WATCHER))).stuck]


async def test_reconciliation_takes_the_leases_for_what_they_are(scene: Scene) -> None:
    """What is live stays; what somebody deleted ends; what no live lease needs is removed."""
    assert () == (await reconcile(scene.ports, "r")).findings
    lost = await scene.lease("live")
    assert isinstance(lost.footprint, ServicePrincipalFootprint)
    assert lost.footprint.application_id is not None
    scene.world.cloud.delete_application(lost.footprint.application_id)
    await scene.ports.leases.remove(await scene.lease("live_secret"))
    scene.jump(2 * 3600)
    done = {finding.lease: finding.result for finding in (await reconcile(scene.ports, "r")).findings}
    assert {LEASES["live"]: Result.ENDED, LEASES["live_secret"]: Result.REMOVED}.items() <= done.items()
    assert State.ACTIVE is (await scene.lease("keyed_secret")).state
    assert [] == of_leases(scene, "live", "live_secret")


async def test_lists_and_the_audit_trail_tell_of_what_was_before(scene: Scene) -> None:
    """Every lease, and every event in its order."""
    result = [each.id for each in (await list_leases(scene.ports, ADMIN, LeaseQuery())).items]
    rows = json.loads((FOLDER / "audit.json").read_text(encoding="utf-8"))
    now = scene.ports.now()
    events = await scene.ports.audit.read(AuditQuery(now - timedelta(days=1), now, limit=1000))
    assert set(result) <= set(LEASES.values())
    assert len(rows) == len(events.items)
    assert EXISTING in {str(application) for application in scene.world.cloud.applications}


@pytest.mark.parametrize("text", ["", "{", "null", "[]", '{"type": "database"}', "{}"])
async def test_a_damaged_row_stands_in_nobodys_way(scene: Scene, text: str) -> None:
    """Whatever stands in it: the others are listed, decided on, issued from and reconciled; it can be deleted."""
    row = {"PartitionKey": "role", "RowKey": "damaged"} | ({"Document0": text} if text else {})
    await scene.service.get_table_client("roles").create_entity(row)
    assert {*DOCUMENTS, "damaged"} == {role.name for role in await scene.ports.roles.list()}
    assert "web" in {role.name for role in (await may_issue(scene.ports, request())).roles}
    assert ["damaged"] == [*(await status(scene.ports, ADMIN)).unreadable_roles]
    assert () == (await reconcile(scene.ports, "r")).unread
    await issue(scene.ports, request(), IssueRequest(WEB))
    with pytest.raises(Unreadable):
        await issue(scene.ports, ADMIN, IssueRequest(RoleName("damaged")))
    await delete_role(scene.ports, ADMIN, RoleName("damaged"), revoking=False)
    assert set(DOCUMENTS) == {role.name for role in await scene.ports.roles.list()}
