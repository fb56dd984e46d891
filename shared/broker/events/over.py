"""Whether a lease is over because of what Azure says of a resource: the subject of an event, or what its holder belongs to.

The resource may be gone. Or it is there, and another identity is its own now: whoever held the lease is nobody any more.
"""

from __future__ import annotations

from shared.broker.holder_resources import is_unknown
from shared.broker.ports import Ports
from shared.core.events.holder_resource import HolderResource
from shared.core.events.rule_lease import RuleLease
from shared.core.lease import Cause
from shared.core.ports.resources import Look, ResourceState


def over_by_rule(record: RuleLease, subject: str, found: Look) -> Cause | None:
    """Returns why the lease of this record ends. ``subject`` was looked at.

    What counts is whose identity the holder was when the lease was issued, and not what the rule says today.
    """
    if found.state is ResourceState.GONE:
        return Cause.SUBJECT_GONE if record.is_at_or_below(subject) else None
    if found.state is ResourceState.THERE and record.of_subject and record.is_of(subject):
        return Cause.SUBJECT_REPLACED if record.holder not in found.principals else None
    return None


async def over_by_holder(ports: Ports, record: HolderResource, subject: str, found: Look) -> Cause | None:
    """Returns why the leases of this holder end. ``subject`` was looked at.

    The directory has said whose identity it is, and not every kind of resource shows its identity. If this one shows none, the
    directory is asked whether there is such an identity still. Raises nothing that is foreseen.
    """
    if found.state is ResourceState.GONE:
        return Cause.SUBJECT_GONE if record.is_at_or_below(subject) else None
    if found.state is not ResourceState.THERE or not record.is_of(subject) or record.holder in found.principals:
        return None
    return Cause.SUBJECT_REPLACED if found.principals or await is_unknown(ports, record.holder) else None
