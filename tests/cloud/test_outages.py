"""The adapters note whether a service has answered their last call to it."""

from __future__ import annotations

import pytest

from shared.core.errors import Absent, Uncertain
from shared.core.footprint import Assignment
from shared.issuers.application_secret.schema import ApplicationSecretFootprint, ApplicationSecretSchema
from shared.issuers.service_principal.schema import ServicePrincipalFootprint, ServicePrincipalSchema
from shared.resilience.priority import in_background
from tests.cloud.adapters import Adapters
from tests.fakes.world import guid


@pytest.mark.parametrize("effect", [{"status": 500}, {"status": 503}, "drop_after_effect"], ids=str)
async def test_graph_is_down_until_it_answers_again(adapters: Adapters, effect: object) -> None:
    """A batch's call like any other; a refusal is an answer."""
    asked = ApplicationSecretSchema().services(ApplicationSecretFootprint(guid(1), "x"))
    for background in (False, True):
        adapters.trouble("graph", effect)
        with pytest.raises(Uncertain):
            await _delete(adapters, background=background)
        assert adapters.outages.concern(asked)
        with pytest.raises(Absent):
            await _delete(adapters, background=background)
        assert not adapters.outages.concern(asked)


async def _delete(adapters: Adapters, *, background: bool) -> None:
    if background:
        with in_background():
            await adapters.graph.delete_application(guid(1))
    else:
        await adapters.graph.delete_application(guid(1))


@pytest.mark.parametrize("effect", [{"status": 500}, {"status": 503}, "drop_after_effect"], ids=str)
async def test_resource_manager_is_down_until_it_answers_again(adapters: Adapters, effect: object) -> None:
    """It concerns leases that have assignments."""
    assignment, services = Assignment(adapters.scope, guid(2)), ServicePrincipalSchema().services
    asked, other = (services(ServicePrincipalFootprint("u", placed)) for placed in ((assignment,), ()))
    adapters.trouble("arm", effect, times=2)
    with pytest.raises(Uncertain):
        await adapters.arm.unassign(assignment)
    assert (True, False) == (adapters.outages.concern(asked), adapters.outages.concern(other))
    adapters.cloud.control("PUT", "faults", [])
    with pytest.raises(Absent):
        await adapters.arm.unassign(assignment)
    assert not adapters.outages.concern(asked)
