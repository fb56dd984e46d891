"""The index, document by document: whom each finds, and what must be read of a caller for it."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

import pytest

from shared.core.access.auth_role import restore_auth_role
from shared.core.access.configuration import Configuration, Needs, Stored
from shared.core.access.documents import caller_from, facts_from
from shared.core.access.match import NotMatched
from tests.unit.access.arbitrary import PATTERNS, RESOURCES, VALUES
from tests.unit.access.subjects import APP, AWAY, GROUP, HOME, ME, OTHER, SUB, VM, Json, bound, claims, identity, user

SINGLE = [{kind: [value]} for kind, values in VALUES.items() for value in values if kind != "bound_tenant_ids"]
PAIRS = [
    bound(resource_ids=[VM, pattern], **more)
    for pattern in PATTERNS
    for more in ({}, {"resource_groups": "app-2"}, {"locations": "k"}, {"scale_sets": "web"}, {"subscription_ids": OTHER})
]
MORE = [
    *(bound(tenant_ids=[AWAY, HOME], group_ids=GROUP), bound(tenant_ids=AWAY, app_roles="APP"), bound(tenant_ids=AWAY)),
    *(
        {},
        bound(hosts="x"),
        bound(app_roles=[]),
        bound(app_roles=[], resource_groups="app"),
        bound(tenant_ids=5, app_roles="k"),
    ),
    *(bound(group_ids=GROUP, resource_groups="app"), bound(application_ids=APP, group_ids=GROUP, locations="westeurope")),
    *(bound(resource_ids="/*", scale_sets="web"), bound(resource_ids="/*"), bound(locations=["k", "westeurope"])),
]
CALLERS = [
    *(claims(), user(), claims(oid=OTHER, appid=ME), claims(roles=["App", "k"]), claims(roles=["\u212a"])),
    *(claims(groups=[GROUP.upper(), ME]), claims(hasgroups=True), user(hasgroups=True, groups=[GROUP])),
    *(claims(tid=AWAY, hasgroups=True), claims(tid=AWAY, roles=["app"]), claims(tid=AWAY, groups=[GROUP])),
]
PLACES: list[Any] = [{"location": "WestEurope"}, {"location": None}, {}]
DIRECTORIES: list[Any] = [
    *(identity(resource, groups=[GROUP], **place) for resource, place in product(RESOURCES, PLACES)),
    *(None, {}, {"groups": [OTHER]}, {"groups": None}, identity(VM, kind="Application"), {"servicePrincipalType": None}),
]


@pytest.mark.parametrize("document", [*SINGLE, *PAIRS, *MORE], ids=json.dumps)
def test_a_document_is_found_for_all_whom_it_matches_or_may(document: Json) -> None:
    """By every caller and all facts, and by the facts alone for which the configuration asks."""
    configuration = Configuration({"a": Stored(json.dumps(document))}, {})
    auth_role = restore_auth_role("a", document, "")
    wrong = []
    for of, directory in product(CALLERS, DIRECTORIES):
        caller, facts = caller_from(of, HOME), facts_from(directory)
        speaks = not isinstance(configuration.outcome(auth_role, caller, facts), NotMatched)
        rights = configuration.rights(caller, facts)
        if speaks != bool(rights.matched or rights.doubtful):
            wrong.append((of, directory))
    assert [] == wrong


@pytest.mark.parametrize(
    ("document", "caller", "principal", "groups", "location"),
    [
        (bound(app_roles="x"), claims(), False, False, False),
        (bound(app_roles="x", resource_groups="app"), claims(), False, False, False),
        (bound(app_roles="x", resource_groups="app"), claims(roles=["x"]), True, False, False),
        (bound(app_roles="x", resource_groups="app"), user(roles=["x"]), False, False, False),
        (bound(app_roles="x", resource_groups="app"), claims(roles=["x"], tid=AWAY), False, False, False),
        (bound(app_roles="x", group_ids=GROUP), claims(roles=["x"]), False, False, False),
        (bound(application_ids=APP, group_ids=GROUP), claims(hasgroups=True), False, True, False),
        (bound(application_ids=OTHER, group_ids=GROUP), claims(hasgroups=True), False, False, False),
        (bound(group_ids=GROUP), claims(hasgroups=True), False, True, False),
        (bound(group_ids=GROUP), claims(groups=[GROUP]), False, False, False),
        (bound(tenant_ids=AWAY, group_ids=GROUP), claims(hasgroups=True, tid=AWAY), False, False, False),
        (bound(group_ids=GROUP, resource_groups="app"), claims(groups=[OTHER]), False, False, False),
        (bound(group_ids=GROUP, resource_groups="app"), claims(groups=[GROUP]), True, False, False),
        (bound(subscription_ids=SUB), claims(), True, False, False),
        (bound(subscription_ids=SUB), user(), False, False, False),
        (bound(locations="westeurope"), claims(), True, False, True),
        (bound(locations="westeurope", resource_groups="app"), claims(), True, False, True),
        (bound(locations="westeurope", resource_groups="db"), claims(), True, False, False),
        (bound(locations="westeurope", app_roles="x"), claims(), False, False, False),
        (bound(locations="westeurope", app_roles="x"), claims(roles=["x"]), True, False, True),
    ],
)
def test_what_is_needed_goes_by_the_token(
    document: Json, caller: Json, *, principal: bool, groups: bool, location: bool
) -> None:
    """Nobody waits for the directory whose token decides. The location is read last, if all else is as it should be."""
    configuration = Configuration({"a": Stored(json.dumps(document))}, {})
    of, facts = caller_from(caller, HOME), facts_from(identity(VM, groups=[GROUP]))
    assert Needs(principal, groups) == configuration.needs(of)
    assert location == configuration.needs_location(of, facts)
