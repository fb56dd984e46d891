"""Random documents, callers and facts, from so few values that they often match."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as some

from shared.core.access.documents import caller_from, facts_from
from tests.unit.access.subjects import APP, AWAY, COMPUTE, GROUP, HOME, IN_APP, ME, OTHER, SET, SUB, VM, Json

IDS = (ME, APP, GROUP, SUB, OTHER)
NAMES = ("app", "APP", "app-2", "web", "k", "\u212a", "westeurope")
PATTERNS = (
    *(VM, SET, f"{IN_APP}/*", f"{IN_APP}-2/*", f"{COMPUTE}/*/web", f"/subscriptions/{SUB}/*", "/providers/*"),
    *("/subscriptions/*/resourceGroups/app/*", "/SUBSCRIPTIONS/*/resourceGroups/*/*", f"/subscriptions/{OTHER}/*/app/*"),
)
RESOURCES = (
    *(VM, SET, VM.upper(), f"{SET}/virtualMachines/0", VM.replace("/app/", "/app-2/"), VM.replace(SUB, OTHER)),
    *("/providers/a/b/web", f"/subscriptions/{SUB}/providers/a/b/web", VM.replace("/app/", "/k/"), IN_APP, f"{VM}/"),
)
VALUES: dict[str, tuple[str, ...]] = {
    "bound_tenant_ids": (HOME, AWAY),
    "bound_service_principal_ids": (*IDS, ME.upper()),
    "bound_application_ids": IDS,
    "bound_group_ids": (*IDS, GROUP.upper()),
    "bound_app_roles": NAMES,
    "bound_subscription_ids": (*IDS, SUB.upper()),
    "bound_resource_groups": NAMES,
    "bound_scale_sets": NAMES,
    "bound_locations": NAMES,
    "bound_resource_ids": PATTERNS,
}
PATHS = (
    *("roles/app/leases", "roles/web/leases", "roles/app", "roles", "leases/app.1", "audit", "status", "policies/web"),
    *("policies", "sweep"),
)
ASKS = ("issue", "revoke", "read", "list", "write", "delete", "renew")
RULES = tuple(
    {"path": path, "capabilities": given}
    for path, given in (
        *(("roles/*/leases", ["issue"]), ("roles/app/leases", ["issue", "revoke"]), ("roles/a*/leases", ["deny"])),
        *(("roles/*/leases", ["deny"]), ("leases/*", ["read", "list", "renew"]), ("audit", ["read"]), ("status", ["deny"])),
        *(("policies/*", ["read", "write", "delete"]), ("policies", ["list"]), ("roles/*", ["write"]), ("sweep", ["write"])),
    )
)
NAMED = ("p0", "p1", "p2", "p3")

anything: some.SearchStrategy[Any] = some.recursive(
    some.none() | some.booleans() | some.integers(-1, 300) | some.sampled_from(["", "*", " x", "deny", "/*", "x", ME, "audit"]),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.sampled_from(["path", "capabilities", "x"]), inner),
    max_leaves=6,
)


@some.composite
def bounds(draw: some.DrawFn) -> Json:
    """Draws the fields of one to three kinds, without faults; tenants alone are not drawn."""
    kinds = draw(some.lists(some.sampled_from([*VALUES][1:]), min_size=1, max_size=3, unique=True))
    kinds += ["bound_tenant_ids"] * draw(some.sampled_from([0, 0, 0, 1]))
    return {kind: draw(some.lists(some.sampled_from(VALUES[kind]), min_size=1, max_size=3)) for kind in kinds}


auth_roles = some.builds(
    lambda fields, named: fields | {"policies": named}, bounds(), some.lists(some.sampled_from(NAMED), max_size=3)
)
policies = some.builds(lambda rules: {"rules": rules}, some.lists(some.sampled_from(RULES), min_size=1, max_size=4))
faulty = some.dictionaries(some.sampled_from([*VALUES]), anything, max_size=2)
damaged = some.dictionaries(
    some.sampled_from([*VALUES, "policies", "bound_later", "rules", "more"]), anything, max_size=4
) | some.builds(
    lambda whole, wrong: whole | wrong, auth_roles, some.dictionaries(some.sampled_from([*VALUES]), anything, max_size=2)
)
"""Documents with faults, mostly."""

claims = some.fixed_dictionaries(
    {"oid": some.sampled_from([ME, OTHER]), "appid": some.sampled_from([APP, ME])},
    optional={
        "tid": some.sampled_from([HOME, HOME, AWAY, OTHER]),
        "scp": some.just("access"),
        "roles": some.lists(some.sampled_from([*NAMES, "Leasehold.Auditor"]), max_size=3),
        "groups": some.lists(some.sampled_from([*IDS, GROUP.upper()]), max_size=3),
        "hasgroups": some.booleans(),
    },
)
directories = some.none() | some.fixed_dictionaries(
    {},
    optional={
        "servicePrincipalType": some.sampled_from(["ManagedIdentity", "ManagedIdentity", "Application", None]),
        "alternativeNames": some.lists(some.sampled_from([*RESOURCES, "isExplicit=False"]), min_size=1, max_size=2),
        "location": some.sampled_from(["westeurope", "WESTEUROPE", "k", None]),
        "groups": some.none() | some.lists(some.sampled_from(IDS), max_size=3),
    },
)
callers = claims.map(lambda drawn: caller_from(drawn, HOME))
facts = directories.map(facts_from)
