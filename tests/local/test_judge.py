"""The judge knows what every replica would answer, and nobody notices that it was asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from local.cloud.control import provision
from local.cloud.control.judge import judge
from local.cloud.engine.errors import InputError
from local.cloud.engine.http import HttpRequest
from local.cloud.local_azure import LocalAzure
from local.cloud.rbac.builtin_roles import BY_NAME
from tests.local.arm.calls import BLOB_READER, GROUP, OWNER, READER, STORE, Azure, assignment, outcome
from tests.local.conftest import Cloud
from tests.local.entra.calls import (
    ORIGIN,
    App,
    aadsts,
    add_certificate,
    asserting,
    certified,
    grant,
    key_pair,
    post,
    register,
    trust,
)

VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/one"
SECRETS_ADMIN = "00482a5a-887f-4fb3-b363-3b7fe8e74483"
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
ENTRA = ["westeurope/0", "westeurope/1", "westeurope/2"]
GRAPH = "https://graph.microsoft.com/.default"


@dataclass
class Scene:
    """A subscription, and an application in it with a secret, known to every replica."""

    azure: Azure = field(default_factory=Azure)
    app: App = field(init=False)

    def __post_init__(self) -> None:
        self.azure.world.directory.service_principals.clear()
        self.azure.resource(VAULT, "Microsoft.KeyVault/vaults")
        self.app = register(self.world)

    @property
    def world(self) -> LocalAzure:
        """The tenant."""
        return self.azure.world

    def judged(self, **fields: Any) -> dict[str, Any]:
        """What the judge says of the application's secret, unless ``fields`` say otherwise."""
        body = {"client_id": self.app.client_id, "client_secret": self.app.secret, "scope": f"{ARM}/.default"} | fields
        body = {name: value for name, value in body.items() if value is not None}
        call = HttpRequest("POST", "/_control/judge", body=json.dumps(body).encode())
        answer: dict[str, Any] = judge(self.world, call, ORIGIN).body
        return answer

    def of(self, observer: str, scope: str) -> list[Any]:
        """The verdicts of one observer's replicas."""
        found = self.judged(arm_scope=scope)["replicas"]
        return [verdict for name, verdict in found.items() if name.partition("/")[0] == observer]

    def assigned(self, role: str, scope: str) -> str:
        """Assigns a role to the application over Resource Manager; its name."""
        name = self.world.guid()
        properties = {"principalType": "ServicePrincipal"}
        assert 201 == self.azure.assign(self.app.object_id, role, scope, name=name, properties=properties).status
        return name


ARM = "api://judged"


@pytest.fixture
def scene() -> Scene:
    """With an API of the tenant's own that tokens can be asked for."""
    made = Scene()
    register(made.world, "api").application.properties["identifierUris"] = [ARM]
    return made


def test_accepts_what_every_replica_accepts(scene: Scene) -> None:
    """By region and number, with ``null`` for each."""
    assert {"accepted": True, "replicas": dict.fromkeys(ENTRA)} == scene.judged()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"client_secret": "wrong"}, 7000215),
        ({"client_id": "11111111-2222-4333-8444-555555555555"}, 700016),
        ({"scope": "api://nowhere/.default"}, 500011),
        ({"client_secret": None, "assertion": "x.y.z"}, 50027),
    ],
)
def test_says_with_which_code_replicas_refuse(scene: Scene, fields: dict[str, Any], expected: int) -> None:
    """The number that a sign-in would be answered with."""
    answer = scene.judged(**fields)
    assert {"accepted": False, "replicas": dict.fromkeys(ENTRA, expected)} == answer


def test_takes_certificates_and_federated_assertions(scene: Scene) -> None:
    """As the token endpoint does."""
    pair = key_pair()
    add_certificate(scene.world, scene.app, pair)
    by_certificate = certified(scene.world, scene.app, pair)
    trust(scene.world, scene.app, "https://issuer.example", "me")
    foreign = certified(scene.world, scene.app, pair, iss="https://issuer.example", sub="you", aud="api://AzureADTokenExchange")

    accepted = scene.judged(client_secret=None, assertion=by_certificate)
    refused = scene.judged(client_secret=None, assertion=foreign)

    assert (True, [700213] * 3) == (accepted["accepted"], list(refused["replicas"].values()))
    assert aadsts(post(scene.world, asserting(scene.app, foreign)))[2] == [700213]


@pytest.mark.parametrize("profile", ["typical", "scattered"])
def test_accepts_only_when_no_sign_in_is_refused_any_more(scene: Scene, profile: str) -> None:
    """And refuses while some replica still does: compared with twenty-five sign-ins at each instant."""
    scene.world.consistency.configure(profile, seed=3)
    scene.world.consistency.wrote("secret", scene.app.key_id)
    compared = []
    for _ in range(25):
        scene.azure.clock.at += 5
        answered = scene.judged()
        refused = sum(post(scene.world, grant(scene.app, f"{ARM}/.default")).status != 200 for _ in range(25))
        compared.append((answered["accepted"], refused == 0))
    assert {(True, True), (False, False)} == set(compared)


def test_an_ending_is_accepted_until_it_is_noticed(scene: Scene) -> None:
    """Replica by replica: the judge says who still lets the former secret in."""
    scene.world.consistency.configure("typical", seed=3)
    removed = scene.app.application.passwords.pop(scene.app.key_id)
    scene.world.consistency.ended("secret", removed.key_id, shown=(scene.app.application.id, removed))
    early = scene.judged()["accepted"]
    scene.azure.clock.at += 121
    late = scene.judged()["replicas"]
    assert (True, dict.fromkeys(ENTRA, 7000215)) == (early, late)


def test_another_region_is_asked_by_the_judge_alone(scene: Scene) -> None:
    """Who signs in sees the region at home; the other one has the secret later, and has it in the end."""
    scene.world.consistency.configure("typical_regions", seed=1)
    scene.world.consistency.wrote("secret", scene.app.key_id)
    seen: list[tuple[bool, bool]] = []
    for _ in range(121):
        scene.azure.clock.at += 5
        replicas = scene.judged()["replicas"]
        there = all(replicas[f"northeurope/{number}"] is None for number in range(3))
        seen.append((all(replicas[name] is None for name in ENTRA), there))
        if seen[-1][0] and not there:
            assert 200 == post(scene.world, grant(scene.app, f"{ARM}/.default")).status
    assert (True, False) in seen
    assert (True, True) == seen[-1]


def test_no_call_is_recorded(cloud: Cloud) -> None:
    """It is nobody's sign-in."""
    made = cloud.control("POST", "identities", {"name": "leased", "kind": "application"})
    secret = cloud.control("POST", "secrets", {"identity": "leased"})["secret"]
    body = {"client_id": made["client_id"], "client_secret": secret, "scope": GRAPH}
    assert (True, []) == (cloud.control("POST", "judge", body)["accepted"], cloud.control("GET", "calls"))


def test_no_chance_is_drawn(scene: Scene) -> None:
    """Neither for replicas nor for ids."""
    consistency = scene.world.consistency
    consistency.configure("typical_regions", seed=1)
    scene.assigned(BLOB_READER, STORE)
    planes = consistency.of("blob")
    before = [each.getstate() for each in (consistency.chance, planes.chance, scene.world.chance)]
    answering = consistency.answering, planes.answering
    scene.judged(arm_scope=STORE)
    assert before == [each.getstate() for each in (consistency.chance, planes.chance, scene.world.chance)]
    assert answering == (consistency.answering, planes.answering)


def test_a_fresh_assignment_counts_when_every_replica_of_resource_manager_has_it(scene: Scene) -> None:
    """Compared with what reads at the scope are answered, at each instant."""
    scene.world.consistency.configure("scattered", seed=2)
    scene.assigned(READER, GROUP)
    compared = []
    for _ in range(60):
        scene.azure.clock.at += 10
        answered = scene.of("arm", GROUP)
        read = []
        for _ in range(25):
            scene.world.consistency.turn()
            read.append(outcome(scene.azure.call("GET", STORE, by=scene.app.object_id)))
        assert 3 == len(answered)
        compared.append((not any(answered), all(answer == (200, "") for answer in read)))
    assert {(True, True), (False, False)} == set(compared)


def test_a_removed_assignment_counts_until_a_replica_has_noticed(scene: Scene) -> None:
    """Then it refuses."""
    name = scene.assigned(READER, GROUP)
    scene.world.consistency.configure("typical", seed=2)
    scene.azure.call("DELETE", assignment(GROUP, name))
    early = scene.of("arm", GROUP)
    scene.azure.clock.at += 601
    assert ([None] * 3, ["AuthorizationFailed"] * 3) == (early, scene.of("arm", GROUP))


def test_a_deleted_principals_roles_are_judged_like_any_others(scene: Scene) -> None:
    """They stay, as tokens do."""
    scene.assigned(READER, GROUP)
    principal = scene.world.directory.service_principals[scene.app.object_id]
    principal.deleted = scene.azure.clock.at
    assert [None] * 3 == scene.of("arm", GROUP)
    del scene.world.directory.service_principals[principal.id]
    assert ["AuthorizationFailed"] * 3 == scene.of("arm", GROUP)


def test_refuses_where_nothing_is_assigned(scene: Scene) -> None:
    """At another scope, too."""
    scene.assigned(READER, STORE)
    assert ["AuthorizationFailed"] * 3 == scene.of("arm", GROUP)


def test_all_that_is_assigned_has_to_be_known(scene: Scene) -> None:
    """One of two is not enough: what was leased is both."""
    scene.assigned(READER, GROUP)
    scene.world.consistency.configure("typical", seed=2)
    scene.assigned(OWNER, STORE)
    early = scene.of("arm", STORE)
    scene.azure.clock.at += 601
    assert (["AuthorizationFailed"] * 3, [None] * 3) == (early, scene.of("arm", STORE))


@pytest.mark.parametrize(
    ("role", "scope", "observers"),
    [
        (READER, STORE, {"arm"}),
        (BLOB_READER, STORE, {"blob"}),
        (BLOB_READER, GROUP, {"blob"}),
        (SECRETS_USER, VAULT, {"key_vault"}),
        (SECRETS_ADMIN, GROUP, {"key_vault", "arm"}),
    ],
)
def test_a_role_is_judged_where_it_counts(scene: Scene, role: str, scope: str, observers: set[str]) -> None:
    """By the data planes of its data actions, each in its own time; by Resource Manager where it shows there."""
    assert role in BY_NAME
    scene.world.consistency.configure("typical", seed=2)
    scene.assigned(role, scope)
    early = scene.judged(arm_scope=scope)
    scene.azure.clock.at += 601
    late = scene.judged(arm_scope=scope)

    asked = {name.partition("/")[0] for name in early["replicas"]} - {"westeurope"}
    refused = {code for name, code in early["replicas"].items() if name not in ENTRA}
    codes = {"arm": "AuthorizationFailed", "blob": "AuthorizationPermissionMismatch", "key_vault": "ForbiddenByRbac"}
    assert (observers, {codes[name] for name in observers}) == (asked, refused)
    assert (False, True, 3 + 3 * len(observers)) == (early["accepted"], late["accepted"], len(late["replicas"]))


def test_a_role_of_a_group_counts_for_its_members(scene: Scene) -> None:
    """Once Resource Manager knows the membership."""
    group = provision.group(scene.world, "team", [scene.app.object_id])
    scene.azure.grant(group.id, READER, GROUP)
    scene.world.consistency.configure("typical", seed=2)
    scene.world.consistency.wrote("member", group.id, scene.app.object_id)
    early = scene.of("arm", GROUP)
    scene.azure.clock.at += 601
    assert (["AuthorizationFailed"] * 3, [None] * 3) == (early, scene.of("arm", GROUP))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"assertion": "x"}, "either client_secret or assertion"),
        ({"client_secret": None}, "either client_secret or assertion"),
        ({"arm_scope": "subscriptions/x"}, "arm_scope"),
        ({"region": "westeurope"}, "unknown: region"),
        ({"client_id": None}, "missing: client_id"),
        ({"scope": 7}, "scope must be a text"),
    ],
)
def test_refuses_what_it_cannot_judge(scene: Scene, fields: dict[str, Any], named: str) -> None:
    """With a sentence that names the field."""
    with pytest.raises(InputError, match=named):
        scene.judged(**fields)


def test_over_the_wire(cloud: Cloud) -> None:
    """Resource Manager is the default scope; bad input is 400."""
    made = cloud.control("POST", "identities", {"name": "leased", "kind": "application"})
    body = {"client_id": made["client_id"], "client_secret": cloud.control("POST", "secrets", {"identity": "leased"})["secret"]}
    cloud.control("PUT", "consistency", {"profile": "typical_regions", "seed": 1, "speed": 20})
    answer = cloud.control("POST", "judge", body)
    assert (True, [*ENTRA, "northeurope/0", "northeurope/1", "northeurope/2"]) == (answer["accepted"], list(answer["replicas"]))
    with pytest.raises(httpx.HTTPStatusError, match="400"):
        cloud.control("POST", "judge", {"client_id": "x"})
