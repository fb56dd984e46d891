"""A rule that issues a secret: it lies in a vault, under a name that the holder knows, and nobody takes it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from shared.broker.configure.event_rules import put_event_rule
from shared.broker.ending.sweep import sweep
from shared.core.access.policy import PolicyName
from shared.core.delivery import Delivery
from shared.core.errors import Malformed, Refused
from tests.broker.events.scenes import (
    APP,
    DELETED,
    OTHER_APP,
    SITE,
    active,
    bobs_role,
    codes,
    deliver,
    document,
    gone,
    scene,
)
from tests.fakes.clock import START
from tests.fakes.vaults import OTHER_VAULT, VAULT
from tests.fakes.world import BOB, World, principal_target, request
from tests.support.deliveries import SHARED, lying


def delivering(**changes: Any) -> World:
    """A role of secrets that lie in a vault, one for each holder."""
    delivery = Delivery(**({"vaults": (VAULT, OTHER_VAULT), "name": SHARED} | changes))
    secrets = bobs_role(principal_target(1, 0, ready="token"), delivery=delivery, delivers_since=START)
    return scene(of=secrets, sites=document(), gone=gone())


def into(vault: str = "", **changes: Any) -> dict[str, Any]:
    """A rule that says into which vault."""
    return document(action={"issue": {"role": "jit", "holder": "subject_identity", "delivery": {"vault": vault}} | changes})


async def test_the_secret_of_a_site_lies_where_its_identity_looks() -> None:
    """Under the identity's id. What lies there signs in, and no lease but this one is made by a second event."""
    made = delivering()
    await deliver(made)
    await deliver(made, id="event-2")
    (lease,) = active(made)
    assert lease.delivery is not None
    assert (VAULT, f"app-{APP}", "delivered") == (lease.delivery.vault, lease.delivery.name, lease.delivery.state)
    assert {"client_id", "client_secret"} <= {*json.loads(lying(made, lease))}


async def test_the_rule_chooses_among_the_vaults_of_its_role() -> None:
    """Also where the role may answer instead."""
    made = delivering(required=False)
    await put_event_rule(made.ports, request(BOB), PolicyName("sites"), into(OTHER_VAULT))
    await deliver(made)
    (lease,) = active(made)
    assert lease.delivery is not None
    assert OTHER_VAULT == lease.delivery.vault


async def test_the_secret_ends_with_the_site() -> None:
    """Nobody reads it any more."""
    made = delivering()
    await deliver(made)
    (lease,) = active(made)
    made.clock.jump(10)
    made.resources.delete(SITE)
    await deliver(made, DELETED, id="event-2")
    await sweep(made.ports, "sweep")
    assert [] == active(made)
    with pytest.raises(Refused, match="SecretDisabled"):
        lying(made, lease)


async def test_another_identity_of_the_site_gets_a_secret_of_its_own() -> None:
    """And the former one's lease ends."""
    made = delivering()
    await deliver(made)
    made.clock.jump(10)
    made.resources.put(SITE, OTHER_APP)
    await deliver(made, id="event-2")
    (lease,) = active(made)
    assert lease.delivery is not None
    assert f"app-{OTHER_APP}" == lease.delivery.name
    assert ["", "event_replaced", ""] == codes(made)


@pytest.mark.parametrize(
    ("delivery", "rule", "place"),
    [
        pytest.param({"name": "app-{ulid}"}, document(), "action.issue.role", id="nobody would find it"),
        pytest.param({"name": "app-{ulid}"}, into(VAULT), "action.issue.role", id="nor in the vault that is named"),
        pytest.param({"required": False}, document(), "action.issue.role", id="it would be answered"),
        pytest.param({"vaults": (VAULT,)}, into(OTHER_VAULT), "action.issue.delivery.vault", id="another vault"),
    ],
)
async def test_a_rule_whose_holder_would_get_nothing_is_refused(
    delivery: dict[str, Any], rule: dict[str, Any], place: str
) -> None:
    """When it is written."""
    made = delivering(**delivery)
    with pytest.raises(Malformed) as refused:
        await put_event_rule(made.ports, request(BOB), PolicyName("sites"), rule)
    assert [place] == [each.path for each in refused.value.faults]


async def test_nothing_is_issued_that_would_be_answered_to_nobody() -> None:
    """The role has changed since the rule was written."""
    made = delivering()
    (former,) = await made.roles.list()
    made.roles.keep(replace(former, delivery=Delivery((VAULT,))))
    await deliver(made)
    assert (["event_denied"], {}) == (codes(made), made.leases.rows)
    assert await made.rule_leases.denied_since("sites") is not None
