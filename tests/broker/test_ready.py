"""``ready``: what a role may ask for, and what its leases say of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.broker.configure.roles import put_role, read
from shared.broker.issue.idempotent import issue_once
from shared.broker.issue.issue import Issued, IssueRequest, issue
from shared.core.definition import Permission
from shared.core.directory import NewTrust
from shared.core.errors import LeaseholdError, Malformed
from shared.core.lease import Lease, State
from shared.core.names import ObjectId
from shared.core.ports.inventory import ScopeState
from shared.core.readiness.errors import NeverReady
from shared.core.readiness.observability import Look
from shared.core.readiness.record import Readiness
from shared.core.role import Role
from shared.core.secret import Secret
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from shared.kinds.stored_role import restore_role, store_role
from shared.triggers.http.problem import meaning_of
from tests.broker.scenes import stored
from tests.fakes.cloud import FakeAccess, FakeProbe
from tests.fakes.world import (
    ADMINISTRATOR,
    BROKER,
    DEFINITION,
    EXCHANGE,
    EXISTING,
    GROUPS,
    SCOPES,
    WEB,
    World,
    principal_target,
    request,
    role,
    secret_target,
    world,
)
from tests.support.kinds import SCHEMAS, as_client_secret

GROUP = SCOPES[0]
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/acct"
CONTAINER = f"{ACCOUNT}/blobServices/default/containers/c"
BLOBS = Permission(
    ("Microsoft.Storage/storageAccounts/blobServices/containers/read",),
    data_actions=("Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",),
)
QUEUES = Permission(data_actions=("Microsoft.Storage/storageAccounts/queueServices/queues/messages/read",))
NAMED = {"Blobs": BLOBS, "Queues": QUEUES, "Web": Permission(("Microsoft.Web/sites/restart/action",))}
URL = "https://acct.queue.core.windows.net/?comp=list"
PROBE = {"url": URL, "resource": "https://storage.azure.com"}
GROUPS_PROBE = {"url": "https://management.azure.com/x?api-version=1", "resource": "https://management.azure.com"}
HOLED = {"parameters": {"account": {"kind": "storage_account", "any": True}}}


def azure(*roles: Role) -> World:
    """Azure with further definitions."""
    made = world(*roles)
    for number, (name, permission) in enumerate(NAMED.items()):
        made.cloud.definitions[name] = (definition := f"{DEFINITION[:-2]}e{number}",)
        made.cloud.permissions[definition] = (permission,)
    return made


def document(*assigned: tuple[str, str], **more: Any) -> dict[str, Any]:
    """A role for ``access``, with these definitions at these scopes."""
    listed = [{"role_name": name, "scope": scope} for name, scope in assigned]
    return {"type": "service_principal", "ready": "access"} | ({"azure_roles": listed} if listed else {}) | more


async def put(scene: World, wanted: dict[str, Any]) -> Role:
    """An admin writes it."""
    return (await put_role(scene.ports, request(ADMINISTRATOR), read(scene.ports, WEB, wanted))).document


def target_of(wanted: Role) -> ServicePrincipalTarget:
    """Its own class."""
    assert isinstance(wanted.target, ServicePrincipalTarget)
    return wanted.target


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "service_principal", "azure_groups": [{"object_id": GROUPS[0]}]},
        {"type": "application_secret", "application_object_id": EXISTING},
    ],
)
async def test_a_role_that_says_nothing_wants_a_token(wanted: dict[str, Any]) -> None:
    """Whoever wants less says so. A stored role keeps what it has."""
    scene = world()
    assert "token" == (await put(scene, wanted)).target.ready
    assert "none" == (await put(scene, wanted | {"ready": "none"})).target.ready
    found = scene.roles.kept(WEB)
    assert found is not None
    assert "none" == found.target.ready


async def test_an_application_secret_shows_nowhere_but_at_entra() -> None:
    """Nobody knows what its application may do."""
    with pytest.raises(Malformed) as caught:
        await put(world(), {"type": "application_secret", "application_object_id": EXISTING, "ready": "access"})
    assert ["ready"] == [fault.path for fault in caught.value.faults]


@pytest.mark.parametrize(
    "wanted",
    [
        document(("Reader", GROUP)),
        document(("Blobs", ACCOUNT)),
        document(("Blobs", CONTAINER), ("Reader", GROUP)),
        document(("Queues", GROUP), ready_probes=[PROBE]),
        document(("Web", GROUP), ready_probes=[GROUPS_PROBE]),
        document(("Web", GROUP), ("Queues", GROUP), ready_probes=[PROBE | {"covers": [0, 1]}]),
        document(azure_groups=[{"object_id": GROUPS[0]}], ready_probes=[GROUPS_PROBE]),
        document(("Blobs", ACCOUNT.replace("acct", "{account}")), **HOLED),
        document(("Queues", GROUP), ("Blobs", ACCOUNT.replace("acct", "{account}")), **HOLED, ready_probes=[PROBE]),
    ],
)
async def test_a_role_is_written_if_each_assignment_shows(wanted: dict[str, Any]) -> None:
    """By itself, or by a probe. It is stored, and read again, as it is."""
    scene = azure()
    written = await put(scene, wanted)
    assert "access" == written.target.ready
    again = restore_role(SCHEMAS, WEB, store_role(SCHEMAS, written), written.version)
    assert (written, ()) == (again, again.outdated)
    assert written == await put(scene, wanted)


@pytest.mark.parametrize(
    ("wanted", "paths"),
    [
        (document(("Reader", GROUP), ("Web", GROUP), ("Queues", GROUP)), ["azure_roles[1]", "azure_roles[2]"]),
        (document(("Blobs", GROUP)), ["azure_roles[0]"]),
        (document(("Web", GROUP), ready_probes=[PROBE]), ["azure_roles[0]"]),
        (document(("Queues", GROUP), ("Web", GROUP), ready_probes=[PROBE | {"covers": [1]}]), ["azure_roles[0]"]),
        (document(azure_groups=[{"object_id": GROUPS[0]}]), ["ready_probes"]),
        (document(("Queues", ACCOUNT.replace("acct", "{account}")), **HOLED, ready_probes=[PROBE]), ["azure_roles[0]"]),
        (
            document(("Queues", ACCOUNT.replace("acct", "{account}")), **HOLED, ready_probes=[PROBE, PROBE | {"covers": [0]}]),
            ["ready_probes[1].covers"],
        ),
    ],
)
async def test_what_nothing_shows_is_refused_when_the_role_is_written(wanted: dict[str, Any], paths: list[str]) -> None:
    """Each is named. What is filled later, no declared probe shows."""
    scene = azure()
    with pytest.raises(Malformed) as caught:
        await put(scene, wanted)
    assert ("not_observable", paths) == (caught.value.stable_code, [fault.path for fault in caught.value.faults])
    assert scene.roles.kept(WEB) is None


@pytest.mark.parametrize(
    ("probe", "path"),
    [
        ({"url": "https://evil.example/"}, "url"),
        ({"url": "https://acct.blob.core.windows.net.evil.example/"}, "url"),
        ({"url": "https://a.b.queue.core.windows.net/"}, "url"),
        ({"resource": "https://vault.azure.net"}, "resource"),
        ({"resource": "https://management.azure.com"}, "resource"),
    ],
)
async def test_a_token_goes_to_the_clouds_own_hosts_alone(probe: dict[str, Any], path: str) -> None:
    """For the service of that host. Azure is not asked."""
    scene = azure()
    with pytest.raises(Malformed) as caught:
        await put(scene, document(("Queues", GROUP), ready_probes=[PROBE | probe]))
    assert ("malformed", [f"ready_probes[0].{path}"]) == (
        caught.value.stable_code,
        [fault.path for fault in caught.value.faults],
    )
    assert ["roles.get"] == scene.calls.names()


@pytest.mark.parametrize("ready", ["none", "token", None])
async def test_probes_are_for_access_alone(ready: str | None) -> None:
    """Elsewhere nobody would read them."""
    wanted = document(("Reader", GROUP), ready_probes=[PROBE]) | {"ready": ready}
    if ready is None:
        del wanted["ready"]
    with pytest.raises(Malformed) as caught:
        await put(azure(), wanted)
    assert ["ready_probes"] == [fault.path for fault in caught.value.faults]


async def test_a_definition_that_shows_itself_no_more_outdates_the_role() -> None:
    """It would be proven by nothing."""
    scene = azure()
    written = await put(scene, document(("Reader", GROUP)))
    target = target_of(written)
    powers = target.azure_roles[0].powers
    assert powers is not None
    changed = replace(target, azure_roles=(replace(target.azure_roles[0], powers=replace(powers, sees=())),))
    again = restore_role(SCHEMAS, WEB, store_role(SCHEMAS, written.with_target(changed)), "1")
    assert ["azure_roles[0]"] == [fault.path for fault in again.outdated]


async def test_a_stored_probe_that_cannot_be_read_outdates_the_role() -> None:
    """What it covered is shown by nothing."""
    scene = azure()
    written = await put(scene, document(("Queues", GROUP), ready_probes=[PROBE]))
    row = store_role(SCHEMAS, written)
    row["ready_probes"][0]["url"] = "http://acct.queue.core.windows.net/"
    again = restore_role(SCHEMAS, WEB, row, "1")
    assert {"ready_probes[0].url", "azure_roles[0]"} == {fault.path for fault in again.outdated}


# Leases


async def issued(scene: World, **more: Any) -> Lease:
    """Alice's lease."""
    return (await issue(scene.ports, request(), IssueRequest(WEB, **more))).lease


async def test_a_lease_tells_what_was_seen_from_where() -> None:
    """Each scope once. It is stored so."""
    scene = world(role(principal_target(2, 1, ready="access")))
    scene.ports = replace(scene.ports, region="westeurope")
    lease = await issued(scene)
    seen = ("token", *(f"arm:{scope}" for scope in SCOPES[:2]))
    assert Readiness(seen, (), "westeurope", 0) == lease.readiness
    assert (True, False, lease.issued_at) == (lease.ready, lease.unchecked, lease.ready_at)
    assert lease == stored(scene)


@pytest.mark.parametrize("make", [principal_target, secret_target])
@pytest.mark.parametrize(
    ("ready", "expected"), [("none", (False, True, None)), ("token", (True, False, Readiness(("token",))))]
)
async def test_a_lease_tells_whether_anybody_has_looked(
    make: Callable[..., Any], ready: str, expected: tuple[bool, bool, Readiness | None]
) -> None:
    """Of every kind."""
    lease = await issued(world(role(make(ready=ready))))
    assert expected == (lease.ready, lease.unchecked, lease.readiness)
    assert (lease.ready_at is not None) is lease.ready


async def test_the_log_tells_how_long_it_took(caplog: pytest.LogCaptureFixture) -> None:
    """In one line, for a histogram."""
    with caplog.at_level(logging.INFO):
        await issued(world(role(principal_target(ready="access"))))
    line = "leasehold_ready_seconds role=web kind=service_principal pool=none level=access ready=True seconds=0.0"
    assert line in caplog.messages


def blind(scene: World, *names: str, never: bool = False) -> None:
    """From now on, these looks show nothing; or say that they never will."""

    class Blind(FakeAccess):
        async def sees(self, client_id: ObjectId, secret: Secret | None, look: Look, **more: Any) -> bool:
            if look.name not in names:
                return await super().sees(client_id, secret, look, **more)
            await scene.clock.sleep(5)
            if never:
                scene.inventory.missing[SCOPES[1]] = ScopeState.NO_GROUP
                raise NeverReady(look.name, status=404, azure_code="ResourceGroupNotFound")
            return False

    presented = NewTrust("", EXCHANGE.issuer, BROKER, EXCHANGE.audience)
    principals = replace(scene.issuers.principals, access=Blind(scene.calls, scene.cloud, presented))
    scene.issuers = replace(scene.issuers, principals=principals)
    scene.ports = replace(scene.ports, kinds=scene.issuers.kinds())


async def test_what_is_not_seen_in_time_is_handed_out_as_pending() -> None:
    """With what was not seen."""
    scene = world(role(principal_target(2, 0, ready="access")))
    blind(scene, f"arm:{SCOPES[1]}")
    lease = await issued(scene)
    assert Readiness(("token", f"arm:{SCOPES[0]}"), (f"arm:{SCOPES[1]}",), "", 5000) == lease.readiness
    assert (State.ACTIVE, False, False, None) == (lease.state, lease.ready, lease.unchecked, lease.ready_at)


async def test_what_signs_in_never_is_seen_nowhere() -> None:
    """Whatever a look has come to beside it: all of it is unseen."""
    scene = world(role(principal_target(1, 0, ready="access")))
    never_signs_in(scene, None)
    lease = await issued(scene)
    assert Readiness((), ("token", f"arm:{SCOPES[0]}")) == lease.readiness


def never_signs_in(scene: World, code: str | None) -> None:
    """From now on: it is not seen in time, or the code says that it never will."""

    class Refusing(FakeProbe):
        async def signs_in(self, client_id: ObjectId, secret: Secret, **more: Any) -> bool:
            await super().signs_in(client_id, secret, **more)
            if code is not None:
                raise NeverReady("the sign-in", status=401, azure_code=code)
            return False

    probe = Refusing(scene.calls, scene.cloud)
    principals, secrets = replace(scene.issuers.principals, probe=probe), replace(scene.issuers.secrets, probe=probe)
    scene.issuers = replace(scene.issuers, principals=principals, secrets=secrets)
    scene.ports = replace(scene.ports, kinds=scene.issuers.kinds())


async def refused(work: Callable[[], Any]) -> LeaseholdError:
    """It is 409 ``azure_refused``."""
    with pytest.raises(NeverReady) as caught:
        await work()
    assert (409, "azure_refused") == (meaning_of(type(caught.value)).status, caught.value.stable_code)
    return caught.value


@pytest.mark.parametrize("make", [principal_target, secret_target])
async def test_what_will_never_sign_in_is_undone(make: Callable[..., Any]) -> None:
    """At once, and the audit trail gets Azure's code."""
    scene = world(role(make(ready="token")))
    before = scene.leftovers()
    never_signs_in(scene, "AADSTS7000112")
    failure = await refused(lambda: issued(scene))
    assert "AADSTS7000112" in failure.audit_reason
    assert before == scene.leftovers()
    assert State.ACTIVE not in {lease.state for lease in scene.leases.rows.values()}


async def test_what_will_never_be_seen_is_undone_though_another_look_goes_on() -> None:
    """The first that says so ends it. If its scope is gone, the status tells so of the role."""
    scene = world(role(principal_target(2, 0, ready="access")))
    blind(scene, f"arm:{SCOPES[1]}", never=True)
    failure = await refused(lambda: issued(scene))
    assert "ResourceGroupNotFound" in failure.audit_reason
    assert [] == scene.leftovers()
    found = scene.roles.kept(WEB)
    assert found is not None
    assert [False, True] == [each.scope_gone for each in target_of(found).azure_roles]


async def once(scene: World) -> Issued:
    """Alice asks under her key, or again."""
    return await issue_once(scene.ports, request(), IssueRequest(WEB), "k")


async def test_a_repeat_is_proven_as_the_first_was() -> None:
    """It tells its own proof."""
    scene = world(role(principal_target(1, 0, ready="access")))
    first = (await once(scene)).lease
    blind(scene, f"arm:{SCOPES[0]}")
    scene.clock.jump(200)
    second = (await once(scene)).lease
    assert [True, False] == [first.ready, second.ready]
    assert (("token",), None) == (second.readiness and second.readiness.seen, second.ready_at)
    blind(scene)
    scene.clock.jump(200)
    third = (await once(scene)).lease
    assert (True, first.readiness) == (third.ready, third.readiness)
    assert third.ready_at is not None
    assert first.ready_at is not None
    assert third.ready_at > first.ready_at
    assert third == stored(scene)


async def test_a_repeat_that_will_never_work_leaves_the_former_credential() -> None:
    """The lease goes on; the fresh secret is removed."""
    scene = world(role(principal_target(1, 0, ready="token")))
    first = await once(scene)
    scene.clock.jump(200)
    never_signs_in(scene, "AADSTS53003")
    await refused(lambda: once(scene))
    (application,) = (each for each in scene.cloud.applications.values() if each.secrets)
    assert [as_client_secret(first.credential).secret_id] == [*application.secrets]
    assert (State.ACTIVE, None) == (stored(scene).state, stored(scene).rotating_until)
