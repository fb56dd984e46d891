"""The recipes of ``docs/access.md``: each is written as it stands there, and tried by those whom it lets in and does not."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from local.snapshots import INFRA
from shared.core.access.check import main
from shared.core.caller import Caller, CallerType
from shared.core.names import ObjectId
from tests.fakes.callers import Trouble
from tests.fakes.world import application, guid, world
from tests.triggers.app import Answer, App
from tests.triggers.documents import ADMIN, PRINCIPALS, SECRET

GUIDE = INFRA.parent / "docs" / "access.md"
ROLES = ("reports", "batch-nightly", "batch", "deploy-staging", "deploy-production", "storage-logs", "storage-payroll")
SUBSCRIPTION = "22222222-2222-4222-8222-222222222222"
DEPLOYER = ObjectId("33333333-3333-4333-8333-333333333333")
ON_CALL = "44444444-4444-4444-8444-444444444444"
FORBIDDEN = (403, "forbidden")
_BLOCK = re.compile(r"`PUT /api/v1/(?P<path>[\w/-]+)`\n+```json\n(?P<document>.*?)\n```", re.DOTALL)
_JSON = re.compile(r"```json\n(.*?)\n```", re.DOTALL)


def section(heading: str) -> str:
    """The text below a heading, up to the next one."""
    _, _, rest = GUIDE.read_text().partition(f" {heading}\n")
    assert rest, heading
    return re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0]


def documents(heading: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Paths and documents of a recipe."""
    for found in _BLOCK.finditer(section(heading)):
        yield found["path"], json.loads(found["document"])


def example(heading: str) -> Any:
    """The one other document of a section."""
    (found,) = _JSON.findall(section(heading))
    return json.loads(found)


def resource(path: str, *, group: str, subscription: str = SUBSCRIPTION) -> str:
    """The id of a resource, as the directory writes it."""
    return f"/subscriptions/{subscription}/resourcegroups/{group}/providers/{path}"


@dataclass
class Tenant:
    """A broker with a few roles, which nobody but an administrator may use, and the callers of a test."""

    app: App = field(default_factory=lambda: App(world()))
    made: int = 0

    async def write(self, *headings: str) -> None:
        """Writes the documents of recipes in their order."""
        for name in ROLES:
            await self._put(f"roles/{name}", SECRET if name != "reports" else PRINCIPALS | {"bound_app_roles": ["Nobody"]})
        for path, document in (each for heading in headings for each in documents(heading)):
            await self._put(path, document)

    async def _put(self, path: str, document: Any) -> None:
        answer = await self.app.call("PUT", f"/api/v1/{path}", token=ADMIN, body=document)
        assert answer.status in {200, 201}, (path, answer.body)
        assert [] == answer.json.get("warnings", []), path

    def known(self, caller: Caller) -> str:
        """The token of the caller."""
        self.app.verifier.known[f"{caller.object_id}.token.x"] = caller
        return f"{caller.object_id}.token.x"

    def stranger(self, **more: Any) -> Caller:
        """A caller that is an application, and no managed identity."""
        self.made += 1
        return application(guid(0x5000 + self.made), app_id=guid(0x6000 + self.made), **more)

    def identity(self, resource_id: str, *, explicit: bool = False) -> str:
        """The token of a resource's managed identity."""
        caller = self.stranger()
        self.app.world.callers.place(caller.object_id, resource_id, explicit=explicit)
        return self.known(caller)

    def forger(self, resource_id: str) -> str:
        """The token of an ordinary application whose owner has written that resource into its alternative names."""
        token = self.identity(resource_id)
        object_id = self.app.verifier.known[token].object_id
        principals = self.app.world.callers.principals
        principals[object_id] = replace(principals[object_id], type="Application")
        return token

    def person(self, *, groups: frozenset[str] = frozenset(), **more: Any) -> str:
        """The token of somebody who has signed in through some program."""
        return self.known(replace(self.stranger(), kind=CallerType.USER, groups=groups, **more))

    async def issue(self, token: str, role: str) -> Answer:
        """The answer to an issue."""
        return await self.app.call("POST", f"/api/v1/roles/{role}/leases", token=token)

    async def issues(self, token: str, role: str) -> tuple[int, str]:
        """Status and code of an issue."""
        answer = await self.issue(token, role)
        return answer.status, answer.code if answer.status >= 400 else ""


@pytest.fixture
def tenant() -> Tenant:
    """Without any recipe."""
    return Tenant()


def test_every_recipe_is_tried() -> None:
    """A new one needs a test here."""
    _, _, recipes = GUIDE.read_text().partition("\n## Recipes\n")
    headings = re.findall(r"^### (.+)$", recipes.partition("\n## ")[0], re.MULTILINE)
    assert [
        *("A virtual machine", "A scale set", "A function app", "A GitHub job through its application", "A group of people")
    ] == headings
    assert [2, 2, 1, 2, 2] == [len([*documents(each)]) for each in headings]


async def test_the_virtual_machines_of_a_group_may_issue_reports(tenant: Tenant) -> None:
    """Any of them, whatever the case of the group's name, and from that role alone."""
    await tenant.write("A virtual machine")
    for name, group in (("vm1", "reports"), ("vm-2", "Reports")):
        machine = tenant.identity(resource(f"Microsoft.Compute/virtualMachines/{name}", group=group))
        assert (201, "") == await tenant.issues(machine, "reports")
        assert FORBIDDEN == await tenant.issues(machine, "batch-nightly")


VM = "Microsoft.Compute/virtualMachines/vm1"
NEAR_THE_MACHINES = {
    "another group": resource(VM, group="web"),
    "a group whose name begins alike": resource(VM, group="reports-2"),
    "another subscription": resource(VM, group="reports", subscription=guid(0x77)),
    "a function app of the group": resource("Microsoft.Web/sites/vm1", group="reports"),
    "a uniform scale set of the group": resource("Microsoft.Compute/virtualMachineScaleSets/vm1", group="reports"),
}


@pytest.mark.parametrize("name", NEAR_THE_MACHINES)
async def test_no_other_resource_passes_for_such_a_machine(tenant: Tenant, name: str) -> None:
    """Each differs from those that are let in by one thing."""
    await tenant.write("A virtual machine")
    assert FORBIDDEN == await tenant.issues(tenant.identity(NEAR_THE_MACHINES[name]), "reports")


async def test_what_a_machine_carries_and_what_calls_itself_one_is_no_machine(tenant: Tenant) -> None:
    """A user-assigned identity is a resource of its own, and an application's owner writes what he likes."""
    await tenant.write("A virtual machine")
    carried = resource("Microsoft.ManagedIdentity/userAssignedIdentities/one", group="reports")
    assert FORBIDDEN == await tenant.issues(tenant.identity(carried, explicit=True), "reports")
    assert FORBIDDEN == await tenant.issues(tenant.forger(resource(VM, group="reports")), "reports")
    assert FORBIDDEN == await tenant.issues(tenant.known(tenant.stranger()), "reports")


async def test_every_instance_of_a_scale_set_may_issue_batches(tenant: Tenant) -> None:
    """They share the identity of the set. Of the roles, those whose names go on after the hyphen."""
    await tenant.write("A scale set")
    workers = tenant.identity(resource("Microsoft.Compute/virtualMachineScaleSets/workers", group="batch"))
    assert (201, "") == await tenant.issues(workers, "batch-nightly")
    assert [FORBIDDEN, FORBIDDEN] == [await tenant.issues(workers, role) for role in ("batch", "reports")]


NEAR_THE_SCALE_SET = {
    "another set": resource("Microsoft.Compute/virtualMachineScaleSets/workers-2", group="batch"),
    "the same name in another group": resource("Microsoft.Compute/virtualMachineScaleSets/workers", group="batch-2"),
    "the same name in another subscription": resource(
        "Microsoft.Compute/virtualMachineScaleSets/workers", group="batch", subscription=guid(0x77)
    ),
    "a machine that is named as a flexible set's instance": resource(
        "Microsoft.Compute/virtualMachines/workers_1", group="batch"
    ),
    "a set of another provider": resource("Contoso.Compute/virtualMachineScaleSets/workers", group="batch"),
}


@pytest.mark.parametrize("name", NEAR_THE_SCALE_SET)
async def test_nothing_else_passes_for_the_scale_set(tenant: Tenant, name: str) -> None:
    """Each differs from those that are let in by one thing."""
    await tenant.write("A scale set")
    assert FORBIDDEN == await tenant.issues(tenant.identity(NEAR_THE_SCALE_SET[name]), "batch-nightly")


async def test_one_function_app_may_issue_by_the_roles_own_bounds(tenant: Tenant) -> None:
    """Neither a slot of it nor one that is named alike, nor the same name elsewhere."""
    await tenant.write("A function app")
    sender = resource("Microsoft.Web/sites/report-sender", group="web")
    assert (201, "") == await tenant.issues(tenant.identity(sender), "reports")
    assert FORBIDDEN == await tenant.issues(tenant.identity(sender), "batch-nightly")
    for other in (f"{sender}-2", f"{sender}/slots/blue", sender.replace("/web/", "/web-2/"), sender.replace("sites", "pages")):
        assert FORBIDDEN == await tenant.issues(tenant.identity(other), "reports")
    assert FORBIDDEN == await tenant.issues(tenant.forger(sender), "reports")


async def test_a_github_job_may_deploy_but_not_to_production(tenant: Tenant) -> None:
    """The deny wins over the pattern that allows it, and over every other right of the application."""
    await tenant.write("A GitHub job through its application")
    job = tenant.known(replace(tenant.stranger(), app_id=DEPLOYER))
    assert (201, "") == await tenant.issues(job, "deploy-staging")
    assert FORBIDDEN == await tenant.issues(job, "deploy-production")
    bounds = {**SECRET, "bound_application_ids": [DEPLOYER]}
    assert 200 == (await tenant.app.call("PUT", "/api/v1/roles/deploy-production", token=ADMIN, body=bounds)).status
    assert FORBIDDEN == await tenant.issues(job, "deploy-production")
    assert 201 == (await tenant.issue(ADMIN, "deploy-production")).status


async def test_whoever_signs_in_through_the_application_is_not_the_application(tenant: Tenant) -> None:
    """And neither is another application, whatever its object id is."""
    await tenant.write("A GitHub job through its application")
    assert FORBIDDEN == await tenant.issues(tenant.person(app_id=DEPLOYER), "deploy-staging")
    assert FORBIDDEN == await tenant.issues(tenant.known(tenant.stranger()), "deploy-staging")
    assert FORBIDDEN == await tenant.issues(tenant.known(application(DEPLOYER, app_id=guid(0x6FFF))), "deploy-staging")


@pytest.mark.parametrize("overage", [False, True])
async def test_people_on_call_read_and_revoke_and_issue_nothing(tenant: Tenant, overage: bool) -> None:  # noqa: FBT001 - a parameter
    """Whether the token names their group, or they are in too many groups for it, and the directory says so."""
    await tenant.write("A group of people")
    lease, other = [(await tenant.issue(ADMIN, role)).json["lease"]["id"] for role in ("batch-nightly", "storage-logs")]
    person = tenant.person(has_more_groups=True) if overage else tenant.person(groups=frozenset({ON_CALL}))
    tenant.app.world.callers.memberships[tenant.app.verifier.known[person].object_id] = frozenset({ON_CALL, guid(0x101)})
    call = tenant.app.call
    assert 200 == (await call("GET", "/api/v1/status", token=person)).status
    assert [lease] == [each["id"] for each in (await call("GET", "/api/v1/leases", token=person)).json["leases"]]
    assert 200 == (await call("GET", f"/api/v1/leases/{lease}", token=person)).status
    assert [FORBIDDEN] * 4 == [
        await tenant.issues(person, role) for role in ("reports", "batch-nightly", "batch", "storage-logs")
    ]
    refused = [
        await call("POST", f"/api/v1/leases/{lease}/renew", token=person),
        *[await call(method, f"/api/v1/leases/{other}", token=person) for method in ("GET", "DELETE")],
        await call("POST", "/api/v1/roles/batch-nightly/revoke", token=person),
        await call("GET", "/api/v1/audit", token=person),
    ]
    assert [404, 404, 404, 403, 403] == [each.status for each in refused]
    assert (200, "ended") == (
        (ended := await call("DELETE", f"/api/v1/leases/{lease}", token=person)).status,
        ended.json["state"],
    )


async def test_nobody_else_is_on_call(tenant: Tenant) -> None:
    """Neither who is in another group, nor who is in none, nor one of whom the directory cannot say it."""
    await tenant.write("A group of people")
    lease = (await tenant.issue(ADMIN, "reports")).json["lease"]["id"]
    others = [tenant.person(groups=frozenset({guid(0x101)})), tenant.person(), tenant.person(has_more_groups=True)]
    for person in others:
        assert FORBIDDEN[0] == (await tenant.app.call("GET", "/api/v1/status", token=person)).status
        assert 404 == (await tenant.app.call("DELETE", f"/api/v1/leases/{lease}", token=person)).status
    troubles: tuple[Trouble, ...] = ("down", "forbidden")
    for tenant.app.world.callers.trouble in troubles:
        answer = await tenant.app.call("GET", "/api/v1/status", token=others[2])
        assert (503, "directory_unavailable") == (answer.status, answer.code)


async def test_all_recipes_stand_side_by_side(tenant: Tenant) -> None:
    """They name each other's roles, and nobody gets more by that."""
    await tenant.write(
        *("A virtual machine", "A scale set", "A function app", "A GitHub job through its application", "A group of people")
    )
    machine = tenant.identity(resource(VM, group="reports"))
    sender = tenant.identity(resource("Microsoft.Web/sites/report-sender", group="web"))
    expected = {machine: [201, 403, 403], sender: [201, 403, 403]}
    roles = ("reports", "batch-nightly", "deploy-staging")
    assert expected == {token: [(await tenant.issue(token, role)).status for role in roles] for token in expected}


# The other documents of the guide


async def test_the_policy_of_the_guide_does_what_the_guide_says(tenant: Tenant) -> None:
    """Patterns cover one segment, and a deny takes everything on its path away."""
    await tenant.write()
    caller = tenant.stranger()
    token, call = tenant.known(caller), tenant.app.call
    policy = await call("PUT", "/api/v1/policies/some", token=ADMIN, body=example("What they may do"))
    own = {"bound_service_principal_ids": [caller.object_id], "policies": ["some"]}
    assert (201, 201) == (policy.status, (await call("PUT", "/api/v1/auth-roles/some", token=ADMIN, body=own)).status)
    assert [201, 403, 403] == [
        (await tenant.issue(token, role)).status for role in ("storage-logs", "storage-payroll", "reports")
    ]
    payroll = (await tenant.issue(ADMIN, "storage-payroll")).json["lease"]["id"]
    assert 200 == (await call("GET", f"/api/v1/leases/{payroll}", token=token)).status
    assert 403 == (await call("GET", "/api/v1/roles/storage-logs", token=token)).status
    assert 200 == (await call("DELETE", f"/api/v1/leases/{payroll}", token=token)).status


async def test_the_question_of_the_guide_is_answered(tenant: Tenant) -> None:
    """About a machine of the first recipe."""
    await tenant.write("A virtual machine")
    asked = example("Why may somebody not?")
    tenant.app.world.callers.place(ObjectId(asked["object_id"]), resource(VM, group="web"))
    answer = await tenant.app.call("POST", "/api/v1/explain", token=ADMIN, body=asked)
    (auth_role,) = answer.json["auth_roles"]
    assert ("denied", "report-machines", "not matched") == (answer.json["decision"], auth_role["name"], auth_role["outcome"])
    pattern = resource("Microsoft.Compute/virtualMachines/*", group="reports").replace("resourcegroups", "resourceGroups")
    failed = {"kind": "bound_resource_ids", "wanted": [pattern], "has": [resource(VM, group="web")]}
    assert [failed] == auth_role["failed"]


async def test_the_test_of_the_guide_passes_against_the_first_recipe(
    tenant: Tenant, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """In an import, and without a broker."""
    await tenant.write("A virtual machine")
    exported = (await tenant.app.call("GET", "/api/v1/export", token=ADMIN)).json
    whole = {**exported, **example("Version control and disaster")}
    answer = await tenant.app.call("PUT", "/api/v1/import", token=ADMIN, body=whole)
    assert (200, len(ROLES) + 2) == (answer.status, answer.json["unchanged"])
    alone = example("Version control and disaster")
    assert 200 == (await tenant.app.call("PUT", "/api/v1/import", token=ADMIN, body=alone)).status
    file = tmp_path / "access.json"
    file.write_text(json.dumps(whole))
    assert 0 == main([str(file)])
    assert "1 tests, 0 failures\n" == capsys.readouterr().out
    whole["tests"][0]["expect"] = "denied"
    assert 409 == (await tenant.app.call("PUT", "/api/v1/import", token=ADMIN, body=whole)).status
