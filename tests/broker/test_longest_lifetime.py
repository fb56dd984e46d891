"""``LEASEHOLD_MAX_TTL`` bounds what is issued, whatever a stored role says."""

from __future__ import annotations

import pytest

from shared.broker.inspect import may_issue, role_if_issuable
from shared.broker.renew import renew
from shared.core.errors import Malformed
from shared.core.limits import Limits
from tests.broker.scenes import issued
from tests.fakes.world import WEB, request, role, world


async def test_a_stored_role_with_a_longer_lifetime_than_the_setting_is_cut() -> None:
    """Whatever its document says, no lease lasts longer, renewals included; a ttl above the setting is out of range."""
    scene = world(role(ttl=7200, max_ttl=86400), limits=Limits(max_ttl=3600))
    lease = (await issued(scene)).lease
    assert (3600, 3600, 3600) == (
        lease.ttl,
        lease.max_ttl,
        (lease.max_expires_at - lease.issued_at).total_seconds(),
    )
    scene.clock.jump(1800)
    renewed = await renew(scene.ports, request(), lease.id, 3000)
    assert lease.max_expires_at == renewed.expires_at
    with pytest.raises(Malformed) as caught:
        await issued(scene, ttl=3601)
    assert "ttl_out_of_range" == caught.value.stable_code
    (shown,), alone = (await may_issue(scene.ports, request())).roles, await role_if_issuable(scene.ports, request(), WEB)
    assert alone is not None
    assert [(3600, 3600)] * 2 == [(each.ttl, each.max_ttl) for each in (shown, alone)]
