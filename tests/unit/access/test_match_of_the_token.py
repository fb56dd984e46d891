"""Claims x constraints: the kinds that a token decides, and groups that are too many for it."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.errors import Malformed, Unauthenticated
from tests.unit.access.subjects import (
    APP,
    AWAY,
    GROUP,
    HOME,
    ME,
    OTHER,
    UNKNOWN,
    UNREADABLE,
    VM,
    Json,
    bound,
    claims,
    identity,
    outcome,
    user,
)

MANY = {"hasgroups": True}
ELSEWHERE = {"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://example.org/never"}}}
APP_ROLE, PRINCIPAL, CLIENT, TEAM = "app_roles", "service_principal_ids", "application_ids", "group_ids"


@pytest.mark.parametrize(
    ("kinds", "caller", "expected"),
    [
        ({PRINCIPAL: ME}, claims(), ()),
        ({PRINCIPAL: ME.upper()}, claims(), ()),
        ({PRINCIPAL: ME}, claims(oid=ME.upper()), ()),
        ({PRINCIPAL: ME}, user(), ()),
        ({PRINCIPAL: [OTHER, ME]}, claims(), ()),
        ({PRINCIPAL: OTHER}, claims(), (PRINCIPAL,)),
        ({PRINCIPAL: ME}, claims(oid=OTHER, sub=ME), (PRINCIPAL,)),
        ({PRINCIPAL: APP}, claims(), (PRINCIPAL,)),
        ({CLIENT: APP}, claims(), ()),
        ({CLIENT: APP.upper()}, claims(), ()),
        ({CLIENT: APP}, claims(appid=..., azp=APP), ()),
        ({CLIENT: APP}, claims(azp=APP.upper()), ()),
        ({CLIENT: APP}, claims(appid=7, azp=APP), ()),
        ({CLIENT: APP}, claims(idtyp="app"), ()),
        ({CLIENT: APP}, claims(idtyp=5), ()),
        ({CLIENT: APP}, claims(scp=["access"]), ()),
        ({CLIENT: ME}, claims(), (CLIENT,)),
        ({CLIENT: OTHER}, claims(), (CLIENT,)),
        ({CLIENT: APP}, user(), (CLIENT,)),
        ({CLIENT: APP}, user(idtyp="app"), (CLIENT,)),
        ({CLIENT: APP}, user(idtyp="user"), (CLIENT,)),
        ({APP_ROLE: "Reader"}, claims(roles=["Writer", "Reader"]), ()),
        ({APP_ROLE: "rEADER"}, claims(roles=["Reader"]), ()),
        ({APP_ROLE: "Reader"}, user(roles=["READER"]), ()),
        ({APP_ROLE: ["a", "b"]}, claims(roles=["b"]), ()),
        ({APP_ROLE: "Reader"}, claims(), (APP_ROLE,)),
        ({APP_ROLE: "Reader"}, claims(roles=[]), (APP_ROLE,)),
        ({APP_ROLE: "Reader"}, claims(roles="Reader"), (APP_ROLE,)),
        ({APP_ROLE: "Reader"}, claims(roles={"Reader": True}), (APP_ROLE,)),
        ({APP_ROLE: "Reader"}, claims(roles=None), (APP_ROLE,)),
        ({APP_ROLE: "Reader"}, claims(roles=[5, None, ["Reader"], "Reader"]), ()),
        ({APP_ROLE: "Reader"}, claims(roles=[5, None, ["Reader"]]), (APP_ROLE,)),
        ({APP_ROLE: "Reader"}, claims(roles=["Reader "]), (APP_ROLE,)),
        ({APP_ROLE: "Reader"}, claims(roles=["Reader-2", "Read"]), (APP_ROLE,)),
        ({APP_ROLE: "kilo"}, claims(roles=["\u212ailo"]), (APP_ROLE,)),
        ({APP_ROLE: "\u212ailo"}, claims(roles=["kilo"]), (APP_ROLE,)),
        ({APP_ROLE: "\u212aILO"}, claims(roles=["\u212ailo"]), ()),
        ({APP_ROLE: "admin"}, claims(roles=["adm\u0131n"]), (APP_ROLE,)),
        ({APP_ROLE: "ADMIN"}, claims(roles=["ADM\u0130N"]), (APP_ROLE,)),
        ({APP_ROLE: "strasse"}, claims(roles=["stra\u00dfe"]), (APP_ROLE,)),
        ({APP_ROLE: "STRA\u1e9eE"}, claims(roles=["stra\u00dfe"]), (APP_ROLE,)),
        ({APP_ROLE: "\u00c9"}, claims(roles=["\u00e9"]), (APP_ROLE,)),
        ({APP_ROLE: "\u00e9"}, claims(roles=["e\u0301"]), (APP_ROLE,)),
        ({APP_ROLE: "a/b"}, claims(roles=["A/B"]), ()),
        ({TEAM: GROUP}, claims(groups=[GROUP]), ()),
        ({TEAM: GROUP.upper()}, claims(groups=[GROUP]), ()),
        ({TEAM: GROUP}, claims(groups=[OTHER, GROUP.upper()]), ()),
        ({TEAM: GROUP}, user(groups=[GROUP]), ()),
        ({TEAM: GROUP}, claims(groups=[OTHER]), (TEAM,)),
        ({TEAM: GROUP}, claims(), (TEAM,)),
        ({TEAM: GROUP}, claims(groups=GROUP), (TEAM,)),
        ({TEAM: GROUP}, claims(groups=[7, None, GROUP]), ()),
        ({TEAM: GROUP}, claims(groups=[], hasgroups=False), (TEAM,)),
        ({TEAM: GROUP}, claims(groups=[GROUP], hasgroups="true"), ()),
        ({TEAM: GROUP}, claims(groups=[GROUP], _claim_names={"roles": "src1"}), ()),
        ({TEAM: GROUP}, claims(groups=[GROUP], _claim_names=["groups"]), ()),
        ({PRINCIPAL: ME, CLIENT: APP}, claims(), ()),
        ({PRINCIPAL: OTHER, CLIENT: APP}, claims(), (PRINCIPAL,)),
        ({PRINCIPAL: ME, CLIENT: OTHER}, claims(), (CLIENT,)),
        ({PRINCIPAL: OTHER, CLIENT: OTHER}, claims(), (PRINCIPAL, CLIENT)),
        ({CLIENT: OTHER, APP_ROLE: "x"}, claims(roles=["x"]), (CLIENT,)),
        ({CLIENT: APP, APP_ROLE: "x"}, claims(roles=["x"]), ()),
        ({TEAM: GROUP, APP_ROLE: "x"}, claims(groups=[GROUP]), (APP_ROLE,)),
        ({TEAM: GROUP, APP_ROLE: "x"}, claims(groups=[OTHER]), (TEAM, APP_ROLE)),
        ({PRINCIPAL: ME, TEAM: GROUP}, claims(groups=[GROUP]), ()),
        ({PRINCIPAL: OTHER, TEAM: GROUP}, claims(groups=[GROUP]), (PRINCIPAL,)),
    ],
)
def test_the_token_decides(kinds: Json, caller: Json, expected: Any) -> None:
    """Neither a full directory nor one that cannot be asked makes any difference."""
    full = identity(VM, location="westeurope", groups=[GROUP])
    assert [expected] * 3 == [outcome(bound(**kinds), caller, *more) for more in ((), (full,), (UNREADABLE,))]


@pytest.mark.parametrize(
    ("kinds", "caller", "expected"),
    [
        ({APP_ROLE: "x"}, claims(tid=HOME, roles=["x"]), ()),
        ({APP_ROLE: "x"}, claims(tid=HOME.upper(), roles=["x"]), ()),
        ({APP_ROLE: "x"}, claims(tid=AWAY, roles=["x"]), ("tenant_ids",)),
        ({APP_ROLE: "x"}, claims(tid=AWAY), ("tenant_ids", APP_ROLE)),
        ({"tenant_ids": AWAY, APP_ROLE: "x"}, claims(tid=AWAY, roles=["x"]), ()),
        ({"tenant_ids": AWAY.upper(), APP_ROLE: "x"}, claims(tid=AWAY.upper(), roles=["x"]), ()),
        ({"tenant_ids": AWAY, APP_ROLE: "x"}, claims(tid=HOME, roles=["x"]), ("tenant_ids",)),
        ({"tenant_ids": [HOME, AWAY], APP_ROLE: "x"}, claims(roles=["x"]), ()),
        ({"tenant_ids": [HOME, AWAY], APP_ROLE: "x"}, claims(tid=AWAY, roles=["x"]), ()),
        ({"tenant_ids": HOME, APP_ROLE: "x"}, claims(roles=["x"]), ()),
        ({"tenant_ids": HOME, APP_ROLE: "x"}, claims(tid=AWAY, roles=["x"]), ("tenant_ids",)),
        ({"tenant_ids": AWAY, PRINCIPAL: ME}, claims(tid=AWAY), ()),
        ({"tenant_ids": AWAY, PRINCIPAL: ME}, claims(tid=OTHER), ("tenant_ids",)),
        ({"tenant_ids": AWAY, CLIENT: APP}, claims(tid=AWAY), ()),
        ({"tenant_ids": AWAY, TEAM: GROUP}, claims(tid=AWAY, groups=[GROUP]), ()),
        ({"tenant_ids": AWAY, TEAM: GROUP}, claims(tid=AWAY, groups=[OTHER]), (TEAM,)),
        ({"tenant_ids": AWAY, TEAM: GROUP}, claims(tid=AWAY, groups=[GROUP], **MANY), UNKNOWN),
        ({"tenant_ids": AWAY, TEAM: GROUP, APP_ROLE: "x"}, claims(tid=AWAY, **MANY), (APP_ROLE,)),
        ({"tenant_ids": [HOME, AWAY], "resource_groups": "app"}, claims(tid=AWAY), ("resource_groups",)),
        ({"tenant_ids": [HOME, AWAY], "resource_groups": "app"}, claims(), ()),
        ({"resource_groups": "app"}, claims(tid=AWAY), ("tenant_ids",)),
    ],
)
def test_a_tenant_must_be_the_brokers_own_or_named(kinds: Json, caller: Json, expected: Any) -> None:
    """The directory is the home tenant's: what it says of an object id says nothing of a caller of another tenant."""
    assert expected == outcome(bound(**kinds), caller, identity(VM, groups=[GROUP]))


@pytest.mark.parametrize("too_many", [MANY, ELSEWHERE, MANY | ELSEWHERE])
@pytest.mark.parametrize(
    ("kinds", "listed", "directory", "expected"),
    [
        ({TEAM: GROUP}, ..., {"groups": [GROUP]}, ()),
        ({TEAM: GROUP}, ..., {"groups": [GROUP.upper()]}, ()),
        ({TEAM: GROUP}, ..., {"groups": [OTHER, 5, GROUP]}, ()),
        ({TEAM: GROUP}, [GROUP], {"groups": [OTHER]}, (TEAM,)),
        ({TEAM: GROUP}, [GROUP], {"groups": []}, (TEAM,)),
        ({TEAM: GROUP}, [GROUP], {"groups": None}, (TEAM,)),
        ({TEAM: GROUP}, [GROUP], {"groups": GROUP}, (TEAM,)),
        ({TEAM: GROUP}, [GROUP], {}, UNKNOWN),
        ({TEAM: GROUP}, [GROUP], UNREADABLE, UNKNOWN),
        ({TEAM: GROUP, APP_ROLE: "x"}, [GROUP], UNREADABLE, (APP_ROLE,)),
        ({TEAM: GROUP, PRINCIPAL: ME}, [], UNREADABLE, UNKNOWN),
        ({TEAM: GROUP, PRINCIPAL: ME}, [], {"groups": [GROUP]}, ()),
        ({APP_ROLE: "x"}, [GROUP], UNREADABLE, (APP_ROLE,)),
        ({PRINCIPAL: ME}, [GROUP], UNREADABLE, ()),
        ({TEAM: GROUP, "resource_groups": "app"}, [], identity(VM, groups=[GROUP]), ()),
        ({TEAM: GROUP, "resource_groups": "app"}, [], identity(VM, groups=[OTHER]), (TEAM,)),
        ({TEAM: GROUP, "resource_groups": "db"}, [], identity(VM, groups=[OTHER]), (TEAM, "resource_groups")),
        ({TEAM: GROUP, "resource_groups": "db"}, [], identity(VM), ("resource_groups",)),
        ({TEAM: GROUP, "resource_groups": "app"}, [], identity(VM), UNKNOWN),
        ({TEAM: GROUP, "resource_groups": "app"}, [], {"groups": [OTHER]}, (TEAM,)),
    ],
)
def test_the_directory_replaces_groups_that_are_too_many(
    kinds: Json, listed: Any, directory: Any, expected: Any, too_many: Json
) -> None:
    """What the token still lists is not looked at, and the address in the token is never called."""
    assert expected == outcome(bound(**kinds), claims(groups=listed, **too_many), directory)


@pytest.mark.parametrize(
    "caller",
    [
        claims(oid=...),
        claims(oid=..., sub=ME),
        claims(oid=5, sub=ME),
        claims(oid=None),
        claims(oid=""),
        claims(oid=f" {ME}"),
        claims(oid="me"),
        claims(oid=[ME]),
        claims(appid=...),
        claims(appid=..., azp=7),
        claims(appid=..., aud=APP, sub=ME),
        claims(azp=OTHER),
        claims(appid=OTHER, azp=APP),
        claims(appid=""),
        claims(appid="web"),
        claims(scp=""),
        claims(scp="openid"),
        claims(scp="access_all"),
        claims(scp="Access"),
        claims(scp="access,openid"),
        claims(idtyp="user"),
        claims(idtyp="App"),
        claims(idtyp=""),
        claims(tid=5),
        claims(tid=None),
        claims(tid="home"),
    ],
)
def test_claims_of_no_access_token_are_refused(caller: Json) -> None:
    """The token comes before the kinds: such a caller is nobody, whatever an auth role says."""
    with pytest.raises(Unauthenticated):
        outcome(bound(**{PRINCIPAL: ME, CLIENT: APP}), caller, identity(VM))


@pytest.mark.parametrize(
    ("auth_role", "paths"),
    [
        ({}, [""]),
        ({"policies": []}, [""]),
        ([], [""]),
        (None, [""]),
        ("x", [""]),
        (bound(tenant_ids=HOME), ["bound_tenant_ids"]),
        (bound(app_roles=[]), ["bound_app_roles"]),
        ({"bound_app_roles": None}, ["bound_app_roles"]),
        ({"bound_app_roles": "x"}, ["bound_app_roles"]),
        ({"bound_app_roles": {"x": 1}}, ["bound_app_roles"]),
        (bound(app_roles=["x", 5, None, ["x"], True]), [f"bound_app_roles[{place}]" for place in (1, 2, 3, 4)]),
        (bound(app_roles=["", " ", " x", "x\t", "x\u00a0", "\u200b"]), [f"bound_app_roles[{place}]" for place in range(6)]),
        (bound(app_roles=["*", "a*"]), ["bound_app_roles[0]", "bound_app_roles[1]"]),
        (bound(app_roles=[f"r{n}" for n in range(257)]), ["bound_app_roles"]),
        (bound(service_principal_ids=["*", "me", f"{ME}0"]), [f"bound_service_principal_ids[{place}]" for place in range(3)]),
        (bound(service_principal_ids=[ME], application_ids=[]), ["bound_application_ids"]),
        (bound(application_ids="{" + APP + "}"), ["bound_application_ids[0]"]),
        (bound(group_ids="team"), ["bound_group_ids[0]"]),
        (bound(tenant_ids="contoso.com", app_roles="x"), ["bound_tenant_ids[0]"]),
        (bound(subscription_ids="prod"), ["bound_subscription_ids[0]"]),
        (bound(resource_groups=["a/b", "/a", "a/", "app*"]), [f"bound_resource_groups[{place}]" for place in range(4)]),
        (bound(scale_sets=["a/b", "*"]), ["bound_scale_sets[0]", "bound_scale_sets[1]"]),
        (bound(locations=["west/europe", "west*"]), ["bound_locations[0]", "bound_locations[1]"]),
        (bound(resource_ids=["/*", "/*/*", "*", "a", "", "/"]), [f"bound_resource_ids[{place}]" for place in range(6)]),
        (bound(resource_ids=["/a//b", "/a/", "/a/./b", "/../b", "/a/b*"]), [f"bound_resource_ids[{n}]" for n in range(5)]),
        (bound(resource_ids=["/a/**", "//a", " /a"]), [f"bound_resource_ids[{place}]" for place in range(3)]),
        (bound(app_roles="x") | {"bound_hosts": ["x"]}, ["bound_hosts"]),
        (bound(app_roles="x") | {"Bound_group_ids": [GROUP]}, ["Bound_group_ids"]),
        (bound(app_roles="x") | {"description": "x"}, ["description"]),
        (bound(app_roles="x") | {"policies": None}, ["policies"]),
        (bound(app_roles="x") | {"policies": ["Ops", "", 5, "a" * 64]}, [f"policies[{place}]" for place in range(4)]),
        (bound(app_roles="x") | {"policies": [f"p{n}" for n in range(65)]}, ["policies"]),
        (bound(tenant_ids=AWAY, resource_groups="app"), ["bound_resource_groups"]),
        (bound(tenant_ids=AWAY, locations="x", app_roles="x"), ["bound_locations"]),
        (bound(tenant_ids=[], app_roles=None), ["bound_tenant_ids", "bound_app_roles[0]"]),
    ],
)
def test_an_auth_role_with_a_fault_matches_nobody(auth_role: Any, paths: list[str]) -> None:
    """Each fault is reported, with its path. An empty list is one: without its last value, a kind would let more callers in."""
    with pytest.raises(Malformed) as refused:
        outcome(auth_role, claims(roles=["x"]), identity(VM))
    assert paths == [fault.path for fault in refused.value.faults]


def test_256_values_and_64_policies_are_taken() -> None:
    """The largest auth role that the limits allow. A value that differs in case alone is kept once."""
    largest = bound(app_roles=["X", *(f"r{n}" for n in range(254)), "x"]) | {"policies": [f"p{n}" for n in range(64)]}
    assert () == outcome(largest, claims(roles=["x"]))
