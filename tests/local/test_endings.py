"""What has ended in Azure is noticed late, each replica in its own time; the truth decides what changes it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from local.cloud.disturbances.consistency import Consistency
from local.cloud.engine.clock import Clock
from local.cloud.graph.service import Graph
from local.cloud.local_azure import LocalAzure, new_world
from tests.local.arm.calls import GROUP, STORE, Azure, assignment, outcome
from tests.local.entra.calls import App, aadsts, add_certificate, asserting, certified, grant, key_pair, post, register
from tests.local.graph.calls import Client, Tenant, error, ids
from tests.local.ticking import Ticking

PROFILES = ["typical", "scattered"]


@dataclass
class Registration:
    """An application of a fresh world, old enough that every replica knows it; and somebody who may change it."""

    profile: str = "typical"
    clock: Ticking = field(default_factory=Ticking)
    tenant: Tenant = field(init=False)
    app: App = field(init=False)
    admin: Client = field(init=False)

    def __post_init__(self) -> None:
        self.tenant = Tenant(self.clock)
        self.app = register(self.world)
        self.admin = self.tenant.client("Application.ReadWrite.All", "Group.ReadWrite.All")
        self.world.consistency.configure(self.profile, seed=1)
        self.tenant.graph.limits.configure({"busy_seconds": None})

    @property
    def world(self) -> LocalAzure:
        """Whose Entra is asked."""
        return self.tenant.world

    @property
    def path(self) -> str:
        """The application's."""
        return f"/applications/{self.app.application.id}"


def remove_secret(made: Registration) -> None:
    """The application stays."""
    made.admin.post(f"{made.path}/removePassword", {"keyId": made.app.key_id})


def forget_secrets(made: Registration) -> None:
    """By a change of the application."""
    made.admin.patch(made.path, {"passwordCredentials": []})


def delete_principal(made: Registration) -> None:
    """The application stays."""
    made.admin.delete(f"/servicePrincipals/{made.app.object_id}")


def delete_application(made: Registration) -> None:
    """To the recycle bin."""
    made.admin.delete(made.path)


def purge_application(made: Registration) -> None:
    """For good."""
    delete_application(made)
    made.admin.delete(f"/directory/deletedItems/{made.app.application.id}")


def disable(made: Registration) -> None:
    """Nothing is deleted."""
    made.admin.patch(f"/servicePrincipals/{made.app.object_id}", {"accountEnabled": False})


ENDS = [
    (remove_secret, 7000215),
    (forget_secrets, 7000215),
    (delete_principal, 7000229),
    (delete_application, 700016),
    (purge_application, 700016),
    (disable, 7000112),
]


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize(("end", "code"), ENDS)
def test_entra_takes_notice_of_an_ending_late(profile: str, end: Callable[[Registration], None], code: int) -> None:
    """The next sign-in still succeeds; two minutes later every one is refused."""
    made = Registration(profile)
    end(made)
    early = post(made.world, grant(made.app)).status
    made.clock.at += 121
    late = [aadsts(post(made.world, grant(made.app)))[2] for _ in range(20)]
    assert (200, [[code]] * 20) == (early, late)


@pytest.mark.parametrize(("end", "code"), ENDS)
def test_entra_takes_notice_at_once_under_profile_none(end: Callable[[Registration], None], code: int) -> None:
    """So that most tests need not wait."""
    made = Registration("none")
    end(made)
    assert [code] == aadsts(post(made.world, grant(made.app)))[2]


def test_replicas_take_notice_one_after_the_other() -> None:
    """A refusal may be followed by another success."""
    made = Registration()
    remove_secret(made)
    statuses = []
    for _ in range(200):
        made.clock.at += 0.5
        statuses.append(post(made.world, grant(made.app)).status)
    assert 200 in statuses[statuses.index(401) :]
    assert 401 == statuses[-1]


def test_a_removed_certificate_signs_in_for_a_while() -> None:
    """Like a secret."""
    made, pair = Registration(), key_pair()
    add_certificate(made.world, made.app, pair)
    made.admin.patch(made.path, {"keyCredentials": []})
    early = post(made.world, asserting(made.app, certified(made.world, made.app, pair))).status
    made.clock.at += 121
    late = post(made.world, asserting(made.app, certified(made.world, made.app, pair)))
    assert (200, [700027]) == (early, aadsts(late)[2])


@pytest.mark.parametrize("profile", PROFILES)
def test_a_removed_assignment_grants_until_it_is_noticed(profile: str) -> None:
    """Within ten minutes, on the token that is out as on a fresh one."""
    azure = Azure()
    reader, name = azure.principal(), azure.world.guid()
    azure.assign(reader, name=name)
    azure.world.consistency.configure(profile, seed=1)

    azure.call("DELETE", assignment(GROUP, name))
    early = outcome(azure.call("GET", STORE, by=reader))
    azure.clock.at += 601
    late = outcome(azure.call("GET", STORE, by=reader))

    assert ((200, ""), (403, "AuthorizationFailed")) == (early, late)


def test_a_removed_assignment_is_gone_for_who_deletes_it_again() -> None:
    """204: what changes an assignment is decided by the truth."""
    azure = Azure()
    reader, name = azure.principal(), azure.world.guid()
    azure.assign(reader, name=name)
    azure.world.consistency.configure("typical", seed=1)
    first, again = (azure.call("DELETE", assignment(GROUP, name)).status for _ in range(2))
    assert (200, 204) == (first, again)


def test_a_token_stays_good_whatever_happens_to_its_principal() -> None:
    """Until it expires; and a deleted principal's assignments stay."""
    azure = Azure()
    azure.world.consistency.configure("typical", seed=1)
    reader = azure.principal()
    azure.grant(reader, "acdd72a7-3385-48ef-bd42-f606fba81ae7", GROUP)
    headers = {"authorization": f"Bearer {azure.token(reader, lifetime=3600)}"}
    azure.world.directory.service_principals.pop(reader)
    statuses = []
    for wait in (0, 3500, 200):
        azure.clock.at += wait
        statuses.append(azure.send("GET", STORE, None, headers, {"api-version": "2022-09-01"}).status)
    assert [200, 200, 401] == statuses


def test_a_former_member_has_the_groups_roles_for_a_while() -> None:
    """Removals of memberships reach Resource Manager as late as memberships."""
    azure, graph = Azure(), Graph()
    reader = azure.principal()
    tenant = Tenant(azure.clock)
    tenant.world = azure.world
    group = tenant.group(members=(reader,))
    azure.grant(group.id, "acdd72a7-3385-48ef-bd42-f606fba81ae7", GROUP)
    claims = {"oid": azure.owner, "appid": "x", "roles": ["Group.ReadWrite.All"]}
    claims |= {"aud": "https://graph.microsoft.com", "iss": f"https://sts.windows.net/{azure.world.tenant_id}/"}
    admin = Client(azure.world, graph, tenant.token(**claims), azure.owner)
    azure.world.consistency.configure("typical", seed=1)

    removed = admin.delete(f"/groups/{group.id}/members/{reader}/$ref").status
    early = azure.call("GET", STORE, by=reader).status
    azure.clock.at += 601

    assert (204, 200, 403) == (removed, early, azure.call("GET", STORE, by=reader).status)


@pytest.mark.parametrize("end", [delete_application, purge_application])
def test_graphs_replicas_show_what_was_deleted_for_a_while(end: Callable[[Registration], None]) -> None:
    """By id, by client id, by unique name and in lists; but nobody can change it any more."""
    made = Registration("scattered")
    other = made.tenant.client("Application.ReadWrite.All")
    app = made.app.application
    end(made)
    shown = [other.get(made.path).status, other.get(f"/applications(appId='{app.app_id}')").status]
    listed = app.id in ids(other.get("/applications"))
    changed = [other.patch(made.path, {"displayName": "x"}).status, other.delete(made.path).status]
    made.clock.at += 31
    late = (other.get(made.path).status, app.id in ids(other.get("/applications")))
    assert ([200, 200], True, [404, 404], (404, False)) == (shown, listed, changed, late)


def test_graphs_replicas_list_a_removed_secret_for_a_while() -> None:
    """Removing it again is refused as if there were none."""
    made = Registration("scattered")
    remove_secret(made)
    listed = [each["keyId"] for each in made.admin.get(made.path).body["passwordCredentials"]]
    again = made.admin.post(f"{made.path}/removePassword", {"keyId": made.app.key_id})
    made.clock.at += 31
    late = made.admin.get(made.path).body["passwordCredentials"]
    assert ([made.app.key_id], (400, "Request_BadRequest"), []) == (listed, error(again), late)


def test_the_recycle_bin_is_behind() -> None:
    """What was deleted cannot be purged yet; what was purged is still shown."""
    made = Registration("scattered")
    place = f"/directory/deletedItems/{made.app.application.id}"
    delete_application(made)
    early = made.admin.delete(place).status
    made.clock.at += 31
    purged = made.admin.delete(place).status
    shown, again = made.admin.get(place).status, made.admin.delete(place).status
    made.clock.at += 31
    assert (404, 204, 200, 404, 404) == (early, purged, shown, again, made.admin.get(place).status)


def test_a_restored_application_is_seen_again() -> None:
    """Its ending and its return overtake nobody."""
    made = Registration()
    delete_application(made)
    made.clock.at += 31
    made.admin.post(f"/directory/deletedItems/{made.app.application.id}/restore")
    made.clock.at += 121
    assert 200 == made.admin.get(made.path).status


def test_what_has_ended_is_forgotten_when_everybody_has_noticed() -> None:
    """A million leases later nothing is kept of the first."""
    watch = Consistency(clock := Ticking(), random.Random(1))
    watch.configure("typical", seed=1)
    watch.ended("secret", "old", shown=("app", "secret"))
    clock.at += 121
    watch.ended("secret", "new", shown=("app", "secret"))
    assert (False, True) == (watch.ghosts.holds("secret", "old"), watch.ghosts.holds("secret", "new"))


def test_a_writer_mostly_meets_its_own_last_write() -> None:
    """98 of a hundred under ``typical``, as estimated; nobody under ``scattered``, and no other caller."""
    found = {}
    for profile in PROFILES:
        tenant = Tenant()
        tenant.world.consistency.configure(profile, seed=1)
        writer, other = (tenant.client("Application.ReadWrite.All") for _ in "ab")
        own_reads = others_reads = 0
        for number in range(400):
            made = writer.post("/applications", {"displayName": str(number)}).body["id"]
            own_reads += writer.get(f"/applications/{made}").status == 200
            others_reads += other.get(f"/applications/{made}").status == 200
        found[profile] = (own_reads / 400, others_reads / 400)
    own, others = found["typical"]
    assert 0.96 <= own < 1.0
    assert [0.0, (0.0, 0.0)] == [others, found["scattered"]]


def test_a_writer_mostly_meets_its_own_deletion() -> None:
    """What it has deleted is absent for it at once, and purged at once."""
    purged = 0
    for seed in range(100):
        made = Registration()
        made.world.consistency.configure("typical", seed=seed)
        delete_application(made)
        purged += made.admin.delete(f"/directory/deletedItems/{made.app.application.id}").status == 204
    assert purged >= 94


def test_clients_that_make_one_thing_after_the_other_mostly_succeed() -> None:
    """Application, its principal, a secret: in series, by one caller, without a repeat, as other brokers of credentials do."""
    done = 0
    for seed in range(100):
        tenant = Tenant()
        tenant.world.consistency.configure("typical", seed=seed)
        broker = tenant.client("Application.ReadWrite.OwnedBy")
        app = broker.post("/applications", {"displayName": "vault"}).body
        tenant.clock.at += 0.3
        principal = broker.post("/servicePrincipals", {"appId": app["appId"]}).status
        tenant.clock.at += 0.3
        done += (principal, broker.post(f"/applications/{app['id']}/addPassword").status) == (201, 200)
    assert 90 <= done < 100


def test_endings_replicate_whatever_time_the_control_api_sets() -> None:
    """A test moves the clock instead of waiting."""
    world = new_world()
    world.clock = Clock(lambda: 1000.0)
    world.consistency.now = world.clock.now
    world.consistency.configure("typical", seed=1)
    world.consistency.ended("secret", "one")
    early = world.consistency.sees("entra", "secret", "one")
    world.clock.ahead += 121
    assert (True, False) == (early, world.consistency.sees("entra", "secret", "one"))
