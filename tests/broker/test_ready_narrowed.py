"""``ready: access`` of a role that a caller narrows: what shows that the credential works there?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.core.lease import Lease
from shared.core.names import Scope
from shared.core.parameters.errors import NotNarrowable
from shared.core.readiness.probes import ReadyProbe
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from tests.broker.test_ready import ACCOUNT, GROUP, URL, issued
from tests.fakes.world import principal_target, role, world
from tests.support.holes import asking


def probed(**more: Any) -> ServicePrincipalTarget:
    """A role that only a probe shows."""
    bare = principal_target(1, 0, ready="access", **more)
    powers = bare.azure_roles[0].powers
    assert powers is not None
    hidden = replace(bare.azure_roles[0], powers=replace(powers, sees=()))
    probe = ReadyProbe(URL, "https://storage.azure.com", covered=(0,))
    return replace(bare, azure_roles=(hidden,), ready_probes=(probe,))


async def test_what_only_a_probe_shows_cannot_be_narrowed() -> None:
    """The probe has one address, which may lie outside."""
    scene = world(role(probed()))
    with pytest.raises(NotNarrowable):
        await issued(scene, ask=asking(ACCOUNT))
    assert {} == scene.leases.rows
    assert ("token", "probe:acct.queue.core.windows.net") == seen(await issued(scene, ask=asking(GROUP)))


async def test_what_shows_itself_is_looked_at_where_it_was_narrowed_to() -> None:
    """And the role's probes are not read: they are for all of it."""
    probe = ReadyProbe(URL, "https://storage.azure.com")
    scene = world(role(replace(principal_target(1, 0, ready="access"), ready_probes=(probe,))))
    assert ("token", f"arm:{ACCOUNT}") == seen(await issued(scene, ask=asking(ACCOUNT)))
    assert ("token", f"arm:{GROUP}", "probe:acct.queue.core.windows.net") == seen(await issued(scene))


async def test_what_is_proven_less_can_be_narrowed_as_ever() -> None:
    """Nothing shows it either way."""
    scene = world(role(replace(probed(), ready="token", ready_probes=())))
    assert (Scope(ACCOUNT),) == (await issued(scene, ask=asking(ACCOUNT))).scopes


def seen(lease: Lease) -> tuple[str, ...]:
    """What its proof has seen."""
    assert lease.readiness is not None
    return lease.readiness.seen
