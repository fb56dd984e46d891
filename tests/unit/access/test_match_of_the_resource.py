"""Directory x constraints: the kinds that are about the resource whose managed identity the caller is."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.access.subjects import (
    COMPUTE,
    IN_APP,
    ME,
    OTHER,
    SET,
    SUB,
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

IN, GROUP, SETS, PLACE, IDS = "subscription_ids", "resource_groups", "scale_sets", "locations", "resource_ids"
USER_ASSIGNED = f"/subscriptions/{SUB}/resourceGroups/identities/providers/Microsoft.ManagedIdentity/userAssignedIdentities/web"


@pytest.mark.parametrize(
    ("kinds", "resource", "expected"),
    [
        ({IN: SUB}, VM, ()),
        ({IN: SUB.upper()}, VM, ()),
        ({IN: SUB}, VM.upper(), ()),
        ({IN: [OTHER, SUB]}, VM, ()),
        ({IN: OTHER}, VM, (IN,)),
        ({IN: SUB}, f"/subscriptions/{SUB}/providers/Microsoft.Security/x/y", ()),
        ({IN: SUB}, f"/subscriptions/{SUB}0/resourceGroups/app/providers/a/b/c", (IN,)),
        ({IN: SUB}, "/providers/Microsoft.Management/managementGroups/web", (IN,)),
        ({IN: SUB}, f"/providers/a/b/c/subscriptions/{SUB}", (IN,)),
        ({IN: SUB}, f"/tenants/x/subscriptions/{SUB}/providers/a/b/c", (IN,)),
        ({GROUP: "app"}, VM, ()),
        ({GROUP: "APP"}, VM, ()),
        ({GROUP: "app"}, VM.replace("/app/", "/App/"), ()),
        ({GROUP: ["db", "app"]}, VM, ()),
        ({GROUP: "app"}, VM.replace("resourceGroups", "RESOURCEgroups"), ()),
        ({GROUP: "app"}, VM.replace("/app/", "/app-2/"), (GROUP,)),
        ({GROUP: "app-2"}, VM, (GROUP,)),
        ({GROUP: "ap"}, VM, (GROUP,)),
        ({GROUP: "web"}, VM, (GROUP,)),
        ({GROUP: "app"}, f"/subscriptions/{SUB}/providers/a/resourceGroups/app", (GROUP,)),
        ({GROUP: "app"}, "/resourceGroups/app/providers/a/b/c", (GROUP,)),
        ({GROUP: "app"}, f"/subscriptions/{SUB}/resourceGroups/db/providers/a/resourceGroups/app", (GROUP,)),
        ({GROUP: "k"}, VM.replace("/app/", "/\u212a/"), (GROUP,)),
        ({GROUP: "app.i"}, VM.replace("/app/", "/app.\u0131/"), (GROUP,)),
        ({GROUP: "ss"}, VM.replace("/app/", "/\u00df/"), (GROUP,)),
        ({GROUP: "\u00c4pp"}, VM.replace("/app/", "/\u00c4PP/"), ()),
        ({GROUP: "\u00e4pp"}, VM.replace("/app/", "/\u00c4pp/"), (GROUP,)),
        ({GROUP: "app"}, VM.replace("/app/", "/%61pp/"), (GROUP,)),
        ({GROUP: "app"}, VM.replace("/app/", "/app /"), (GROUP,)),
        ({GROUP: "app"}, USER_ASSIGNED, (GROUP,)),
        ({GROUP: "identities"}, USER_ASSIGNED, ()),
        ({SETS: "web"}, SET, ()),
        ({SETS: "WEB"}, SET, ()),
        ({SETS: "web"}, SET.upper(), ()),
        ({SETS: "web"}, f"{SET}/virtualMachines/0", ()),
        ({SETS: "web"}, f"{SET}/providers/a/b/c", ()),
        ({SETS: "web"}, f"{SET}-2", (SETS,)),
        ({SETS: "web-2"}, SET, (SETS,)),
        ({SETS: "web"}, VM, (SETS,)),
        ({SETS: "web"}, f"{COMPUTE}/virtualMachines/web_0", (SETS,)),
        ({SETS: "web"}, f"{IN_APP}/providers/Contoso.Compute/virtualMachineScaleSets/web", (SETS,)),
        ({SETS: "web"}, f"{COMPUTE}/virtualMachineScaleSet/web", (SETS,)),
        ({SETS: "web"}, f"/subscriptions/{SUB}/providers/Microsoft.Compute/virtualMachineScaleSets/web", (SETS,)),
        ({SETS: "web"}, "/providers/Microsoft.Compute/virtualMachineScaleSets/web", (SETS,)),
        ({SETS: "web"}, f"{IN_APP}/providers/a/b/c/providers/Microsoft.Compute/virtualMachineScaleSets/web", (SETS,)),
        ({SETS: "web"}, f"{COMPUTE}/virtualMachines/x/virtualMachineScaleSets/web", (SETS,)),
        ({IDS: VM}, VM, ()),
        ({IDS: VM.upper()}, VM, ()),
        ({IDS: VM}, f"{VM}-2", (IDS,)),
        ({IDS: f"{VM}-2"}, VM, (IDS,)),
        ({IDS: VM}, f"{VM}/extensions/x", (IDS,)),
        ({IDS: IN_APP}, VM, (IDS,)),
        ({IDS: f"{IN_APP}/*"}, VM, ()),
        ({IDS: f"{IN_APP}-2/*"}, VM, (IDS,)),
        ({IDS: f"{VM}/*"}, VM, (IDS,)),
        ({IDS: f"{VM}/*"}, f"{VM}/extensions/x", ()),
        ({IDS: f"{COMPUTE}/virtualMachines/*"}, VM, ()),
        ({IDS: f"{COMPUTE}/virtualMachines/*"}, f"{VM}/extensions/x", ()),
        ({IDS: f"{COMPUTE}/virtualMachines/*"}, SET, (IDS,)),
        ({IDS: f"{COMPUTE}/*/web"}, VM, ()),
        ({IDS: f"{COMPUTE}/*/web"}, f"{VM}/extensions/x", (IDS,)),
        ({IDS: f"/subscriptions/{SUB}/*/web"}, VM, (IDS,)),
        ({IDS: "/subscriptions/*/resourceGroups/app/*"}, VM, ()),
        ({IDS: "/SUBSCRIPTIONS/*/RESOURCEGROUPS/APP/*"}, VM, ()),
        ({IDS: "/subscriptions/*/resourceGroups/db/*"}, VM, (IDS,)),
        ({IDS: f"/subscriptions/{SUB}/*"}, VM, ()),
        ({IDS: "/*/*/*/app/*"}, VM, ()),
        ({IDS: "/*/*/resourceGroups/*/*/*/*/web"}, VM, ()),
        ({IDS: ["/providers/*", f"{IN_APP}/*"]}, VM, ()),
        ({IDS: "/providers/Microsoft.Management/*"}, "/providers/Microsoft.Management/managementGroups/web", ()),
        ({IDS: f"{IN_APP}/*"}, USER_ASSIGNED, (IDS,)),
        ({IDS: "/subscriptions/*/providers/microsoft.managedidentity/*"}, USER_ASSIGNED, (IDS,)),
        ({IN: SUB, GROUP: "app"}, VM, ()),
        ({IN: OTHER, GROUP: "app"}, VM, (IN,)),
        ({IN: SUB, GROUP: "db"}, VM, (GROUP,)),
        ({IN: OTHER, GROUP: "db"}, VM, (IN, GROUP)),
        ({IN: SUB, SETS: "web"}, SET, ()),
        ({GROUP: "app", SETS: "web"}, SET.replace("/app/", "/db/"), (GROUP,)),
        ({GROUP: "app", IDS: f"{IN_APP}/*"}, VM, ()),
        ({GROUP: "db", IDS: f"{IN_APP}/*"}, VM, (GROUP,)),
        ({SETS: "web", IDS: f"{IN_APP}/*"}, VM, (SETS,)),
        ({IN: SUB, IDS: "/subscriptions/*/resourceGroups/db/*"}, VM, (IDS,)),
        ({"service_principal_ids": ME, GROUP: "app"}, VM, ()),
        ({"service_principal_ids": OTHER, GROUP: "app"}, VM, ("service_principal_ids",)),
        ({"service_principal_ids": OTHER, GROUP: "db"}, VM, ("service_principal_ids",)),
        ({"application_ids": OTHER, IN: SUB}, VM, ("application_ids",)),
        ({"app_roles": "x", IN: SUB}, VM, ("app_roles",)),
        ({"group_ids": OTHER, IN: SUB}, VM, ("group_ids",)),
    ],
)
def test_the_resource_of_the_identity_decides(kinds: Json, resource: str, expected: Any) -> None:
    """System- and user-assigned alike: a user-assigned identity is its own resource, not the machine's."""
    assert expected == outcome(bound(**kinds), claims(), identity(resource))


@pytest.mark.parametrize(
    "resource",
    [
        "",
        "/",
        "web",
        VM[1:],
        f" {VM}",
        f"{VM}/",
        f"/{VM}",
        VM.replace("/app/", "//"),
        VM.replace("/app/", "/./"),
        VM.replace("/app/", "/../"),
        VM.replace("/web", "/."),
        f"{VM}/..",
        IN_APP,
        f"/subscriptions/{SUB}",
        f"{IN_APP}/providers",
        f"{IN_APP}/providers/Microsoft.Compute",
        f"{COMPUTE}/virtualMachines",
        f"{VM}/extensions",
        f"{VM}/providers",
        f"{VM}/providers/a",
        f"{VM}/providers/a/b",
        f"{IN_APP}/virtualMachines/web",
        f"/tenants/x{IN_APP}",
    ],
)
def test_an_id_of_no_resource_matches_nothing(resource: str) -> None:
    """Not even the subscription and the group that can be read off it, nor a pattern that has room for it."""
    wide = {IN: SUB, GROUP: "app", IDS: ["/subscriptions/*", "/*/*/resourceGroups/*"]}
    found = [outcome(bound(**{kind: values}), claims(), identity(resource)) for kind, values in wide.items()]
    assert [(kind,) for kind in wide] == found


@pytest.mark.parametrize(
    "directory",
    [
        identity(VM, kind="Application"),
        identity(VM, kind="managedidentity"),
        identity(VM, kind="Legacy"),
        identity(VM, kind=None),
        identity(VM, kind=5),
        {"alternativeNames": [VM]},
        identity(VM, VM),
        identity(VM, SET),
        identity(VM, "/"),
        identity(VM, "/x"),
        identity(),
        identity(5, None, [VM]),
        {"servicePrincipalType": "ManagedIdentity"},
        {"servicePrincipalType": "ManagedIdentity", "alternativeNames": None},
        {"servicePrincipalType": "ManagedIdentity", "alternativeNames": VM},
        {"servicePrincipalType": "ManagedIdentity", "alternativeNames": []},
    ],
)
@pytest.mark.parametrize("kind", [{IN: SUB}, {GROUP: "app"}, {IDS: VM}, {PLACE: "westeurope"}, {SETS: "web"}])
def test_who_is_not_the_identity_of_one_resource_matches_no_kind_of_it(kind: Json, directory: Json) -> None:
    """The owner of an ordinary application may write any alternative name. Of two ids, neither is the caller's for sure."""
    assert tuple(kind) == outcome(bound(**kind), claims(), {"location": "westeurope"} | directory)


@pytest.mark.parametrize("names", [[VM, 5, None], ["isExplicit=True", VM, "spn"], [[SET], VM]])
def test_what_is_no_id_beside_the_one_is_passed_over(names: list[Any]) -> None:
    """Other names, and what is no text."""
    assert () == outcome(bound(resource_groups="app"), claims(), identity(*names))


@pytest.mark.parametrize("kind", [{IN: SUB}, {GROUP: "app"}, {SETS: "web"}, {IDS: VM}, {PLACE: "westeurope"}])
@pytest.mark.parametrize(
    ("caller", "directory", "expected"),
    [
        (claims(), (), ...),
        (claims(), (UNREADABLE,), UNKNOWN),
        (claims(), ({},), UNKNOWN),
        (claims(), ({"groups": [], "location": "westeurope"},), UNKNOWN),
        (claims(), ([],), UNKNOWN),
        (user(), (), ...),
        (user(), (UNREADABLE,), ...),
        (user(), (identity(VM, location="westeurope"),), ...),
    ],
)
def test_a_resource_that_could_not_be_read_is_unknown_and_one_that_is_not_there_fails(
    kind: Json, caller: Json, directory: tuple[Any, ...], expected: Any
) -> None:
    """A deleted identity, or a caller whom Graph does not know, has none. A user never has."""
    assert (tuple(kind) if expected is ... else expected) == outcome(bound(**kind), caller, *directory)


@pytest.mark.parametrize(
    ("kinds", "location", "expected"),
    [
        ({PLACE: "westeurope"}, "westeurope", ()),
        ({PLACE: "WestEurope"}, "westeurope", ()),
        ({PLACE: "westeurope"}, "WESTEUROPE", ()),
        ({PLACE: ["northeurope", "westeurope"]}, "westeurope", ()),
        ({PLACE: "West Europe"}, "westeurope", (PLACE,)),
        ({PLACE: "westeurope"}, "West Europe", (PLACE,)),
        ({PLACE: "westus"}, "westus2", (PLACE,)),
        ({PLACE: "westus2"}, "westus", (PLACE,)),
        ({PLACE: "westeurope"}, None, (PLACE,)),
        ({PLACE: "westeurope"}, "", (PLACE,)),
        ({PLACE: "westeurope"}, 5, (PLACE,)),
        ({PLACE: "westeurope"}, ..., UNKNOWN),
        ({PLACE: "westeurope", GROUP: "app"}, "westeurope", ()),
        ({PLACE: "westeurope", GROUP: "app"}, ..., UNKNOWN),
        ({PLACE: "westeurope", GROUP: "db"}, ..., (GROUP,)),
        ({PLACE: "westus", GROUP: "db"}, "westeurope", (GROUP, PLACE)),
        ({PLACE: "westus", IDS: f"{IN_APP}/*"}, "westeurope", (PLACE,)),
        ({PLACE: "westus", IDS: f"{VM}-2"}, "westeurope", (PLACE, IDS)),
        ({PLACE: "westeurope", "app_roles": "x"}, ..., ("app_roles",)),
    ],
)
def test_a_location_is_the_resources_own(kinds: Json, location: Any, expected: Any) -> None:
    """It is compared as Resource Manager writes it."""
    more = {} if location is ... else {"location": location}
    assert expected == outcome(bound(**kinds), claims(), identity(VM, **more))
