from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.cloud.storage.audit_place import Place
from shared.cloud.storage.table_operations import Operation
from shared.cloud.storage.tables import Table
from shared.core.audit import AuditEvent, Outcome
from shared.core.azure_role import MAX_AZURE_ROLES, AzureRole
from shared.core.caller import Caller, CallerType
from shared.core.errors import LostRace, Malformed, PreconditionFailed, Unavailable, Unreachable
from shared.core.names import LeaseId, ObjectId, RoleName
from shared.core.ports.audit import AuditQuery
from shared.core.ports.documents import ABSENT, ANY, Version
from shared.issuers.service_principal.schema import ServicePrincipalTarget
from tests.contract.stores import LOSSES, Stores
from tests.fakes.clock import START
from tests.fakes.world import ADMINISTRATOR, ALICE, BOB, DEFINITION, SCOPES, TENANT, WEB, role, secret_target

WEEK = AuditQuery(START, START + timedelta(days=7))


async def test_no_role_is_found_where_there_is_none(stores: Stores) -> None:
    """Before the first write there may not even be a table."""
    assert (None, ()) == (await stores.roles.get(WEB), await stores.roles.list())
    assert not await stores.roles.delete(WEB, expected=ANY)


@pytest.mark.parametrize("target", [None, secret_target(ready="token")])
async def test_a_role_reads_back_as_it_was_put(stores: Stores, target: object) -> None:
    """With a version."""
    wanted = role(target, max_leases=7)  # type: ignore[arg-type]  # a target or none
    stored = await stores.roles.put(wanted, expected=ANY)
    assert replace(wanted, version=stored.version) == stored == await stores.roles.get(WEB)
    assert stored.version


async def test_the_largest_role_reads_back(stores: Stores) -> None:
    """As many assignments as may be, with conditions as long as a body may hold: more than one property holds."""
    condition = f"@Resource[Contoso.A/b:c] StringEquals '{'\u00e9' * 8152}'"
    long = AzureRole(SCOPES[0], "Reader", condition=condition, definition_id=DEFINITION)
    short = replace(long, condition=None)
    wanted = (long,) * 4 + (short,) * (MAX_AZURE_ROLES - 4)
    stored = await stores.roles.put(role(ServicePrincipalTarget(wanted)), expected=ANY)
    assert stored == await stores.roles.get(WEB)


async def test_roles_are_listed_by_name(stores: Stores) -> None:
    """All of them."""
    for name in ("b", "a-2", "a"):
        await stores.roles.put(role(name=RoleName(name)), expected=ANY)
    assert ["a", "a-2", "b"] == [each.name for each in await stores.roles.list()]


async def test_a_role_is_only_put_over_the_version_that_is_expected(stores: Stores) -> None:
    """None, any, or exactly that."""
    first = await stores.roles.put(role(), expected=ABSENT)
    second = await stores.roles.put(role(ttl=60), expected=Version(first.version))
    for expected in (ABSENT, Version(first.version)):
        with pytest.raises(PreconditionFailed):
            await stores.roles.put(role(ttl=120), expected=expected)
    third = await stores.roles.put(role(ttl=180), expected=ANY)
    assert (third, 3) == (await stores.roles.get(WEB), len({first.version, second.version, third.version}))


async def test_a_role_that_is_gone_is_not_put_over_a_version(stores: Stores) -> None:
    """It would come back."""
    first = await stores.roles.put(role(), expected=ABSENT)
    await stores.roles.delete(WEB, expected=ANY)
    with pytest.raises(PreconditionFailed):
        await stores.roles.put(role(), expected=Version(first.version))
    assert await stores.roles.get(WEB) is None


async def test_a_role_is_deleted_once(stores: Stores) -> None:
    """And only at the version that is expected."""
    first = await stores.roles.put(role(), expected=ANY)
    second = await stores.roles.put(role(ttl=60), expected=ANY)
    with pytest.raises(PreconditionFailed):
        await stores.roles.delete(WEB, expected=Version(first.version))
    assert await stores.roles.delete(WEB, expected=Version(second.version))
    assert not await stores.roles.delete(WEB, expected=ANY)
    assert await stores.roles.get(WEB) is None


async def test_of_five_who_put_over_one_version_one_wins(stores: Stores) -> None:
    """Compare and swap."""
    first = await stores.roles.put(role(), expected=ABSENT)
    results = await asyncio.gather(
        *(stores.roles.put(role(ttl=60 + number), expected=Version(first.version)) for number in range(5)),
        return_exceptions=True,
    )
    assert 4 == sum(isinstance(result, PreconditionFailed) for result in results)


@LOSSES
async def test_a_role_whose_answer_was_lost_counts_as_put(tables: Stores, loss: Exception) -> None:
    """The repeat meets its own work."""
    assert tables.line is not None
    await tables.roles.put(role(name=RoleName("first")), expected=ABSENT)
    tables.line.loss = loss
    tables.line.losing = True
    stored = await tables.roles.put(role(), expected=ABSENT)
    assert (stored, False) == (await tables.roles.get(WEB), tables.line.losing)


def event(number: int, caller: Caller | None = ALICE, *, role: str = "web", lease: str = "") -> AuditEvent:
    """One event an hour."""
    at = START + timedelta(hours=number)
    return AuditEvent(
        at,
        f"operation-{number}",
        Outcome.DONE,
        f"request-{number}",
        caller=caller,
        role=role,
        lease=lease,
        client_request_id=f"client-{number}",
    )


async def test_an_event_reads_back_as_it_was_recorded(stores: Stores) -> None:
    """Every field; with and without a caller."""
    user = Caller(BOB.object_id, TENANT, CallerType.USER, "f", ALICE.app_id, "Bob's \u00e9", frozenset({"Reader", "Writer"}))
    result = [
        AuditEvent(START, "issue", Outcome.REFUSED, "r", "forbidden", "it's not", user, "web", "web.1"),
        AuditEvent(START + timedelta(seconds=1), "end", Outcome.FAILED, "r"),
    ]
    for each in result:
        await stores.audit.record(each)
    assert result == list((await stores.audit.read(WEEK)).items)


CHANGE = AuditEvent(
    START,
    "put_policy",
    Outcome.DONE,
    "r",
    caller=ALICE,
    document="policies/readers",
    changes=({"path": "rules", "from": None, "to": [{"path": "status", "capabilities": ["read"]}]}, {"path": "and 3 more"}),
    decided_by={"app_role": "Leasehold.Admin"},
    overrode_deny={"policy": "closed", "rule": 0, "path": "policies/*", "capability": "deny"},
)


async def test_a_change_of_the_configuration_reads_back_as_it_was_recorded(stores: Stores) -> None:
    """With what has changed, and what let the caller in."""
    await stores.audit.record(CHANGE)
    assert [CHANGE] == list((await stores.audit.read(WEEK)).items)


async def test_changes_are_found_by_their_document(stores: Stores) -> None:
    """All of one document, and no other's."""
    other = replace(CHANGE, at=START + timedelta(seconds=1), document="auth-roles/readers")
    for each in (CHANGE, other, event(2)):
        await stores.audit.record(each)
    assert [CHANGE] == list((await stores.audit.read(replace(WEEK, document="policies/readers"))).items)
    assert [other] == list((await stores.audit.read(replace(WEEK, document="auth-roles/readers"))).items)


async def test_events_are_read_in_the_order_of_time(stores: Stores) -> None:
    """Over days, whatever the order in which they were recorded."""
    for number in (50, 3, 0, 27, 26):
        await stores.audit.record(event(number))
    found = (await stores.audit.read(WEEK)).items
    assert [f"operation-{number}" for number in (0, 3, 26, 27, 50)] == [each.operation for each in found]


async def test_an_instant_belongs_to_the_time_that_begins_with_it(stores: Stores) -> None:
    """``since`` included, ``until`` not."""
    for number in range(5):
        await stores.audit.record(event(number))
    query = AuditQuery(START + timedelta(hours=1), START + timedelta(hours=3))
    found = (await stores.audit.read(query)).items
    assert ["operation-1", "operation-2"] == [each.operation for each in found]


@pytest.mark.parametrize(
    ("caller", "role", "lease", "expected"),
    [
        (ALICE.object_id, None, None, [0, 2]),
        (None, "web", None, [0, 1]),
        (None, None, "web.1", [2]),
        (ALICE.object_id, "other", None, [2]),
        (None, "it's", None, []),
    ],
)
async def test_events_are_found_by_who_and_what(
    stores: Stores, caller: ObjectId | None, role: str | None, lease: str | None, expected: list[int]
) -> None:
    """Each filter, and two together."""
    for each in (event(0), event(1, BOB), event(2, role="other", lease="web.1"), event(3, None, role="other")):
        await stores.audit.record(each)
    found = (await stores.audit.read(replace(WEEK, caller=caller, role=role, lease=lease))).items
    assert [f"operation-{number}" for number in expected] == [each.operation for each in found]


async def test_pages_of_events_follow_each_other_without_gap_or_repeat(stores: Stores) -> None:
    """Across days, with a filter, whatever their size."""
    for number in range(0, 70, 10):
        await stores.audit.record(event(number))
        await stores.audit.record(event(number + 1, BOB))
    for limit in (1, 3, 7, 100):
        found = await paged(stores, replace(WEEK, caller=ALICE.object_id, limit=limit))
        assert [f"operation-{number}" for number in range(0, 70, 10)] == [each.operation for each in found]


async def paged(stores: Stores, query: AuditQuery) -> list[AuditEvent]:
    """All pages of a listing, none of them larger than asked for."""
    found: list[AuditEvent] = []
    while True:
        page = await stores.audit.read(query)
        assert len(page.items) <= query.limit
        found += page.items
        if page.cursor is None:
            return found
        query = replace(query, cursor=page.cursor)


async def test_two_events_of_one_instant_are_both_kept(stores: Stores) -> None:
    """Nothing overwrites an event."""
    await stores.audit.record(event(0))
    await stores.audit.record(event(0, ADMINISTRATOR))
    assert 2 == len((await stores.audit.read(WEEK)).items)


@pytest.mark.parametrize("cursor", ["x", "20260302x.y", "'", "2026"])
async def test_a_made_up_cursor_is_refused(stores: Stores, cursor: str) -> None:
    """Or leads nowhere; it never breaks the store."""
    await stores.audit.record(event(0))
    with pytest.raises(Malformed):
        await stores.audit.read(replace(WEEK, cursor=cursor))


async def test_an_event_whose_answer_was_lost_is_an_error_though_it_is_recorded(tables: Stores) -> None:
    """Whoever records it must not go on as if it were certain."""
    assert tables.line is not None
    await tables.audit.record(event(0))
    tables.line.losing = True
    with pytest.raises(Unreachable):
        await tables.audit.record(event(1))
    assert 2 == len((await tables.audit.read(WEEK)).items)


async def test_the_run_history_keeps_the_last_sweep(stores: Stores) -> None:
    """And nothing before the first."""
    assert await stores.run_history.last_sweep() is None
    for number in (1, 2):
        await stores.run_history.swept(START + timedelta(minutes=number), {"ended": number})
    assert (START + timedelta(minutes=2), {"ended": 2}) == await stores.run_history.last_sweep()


async def test_the_run_history_keeps_the_last_reconciliation(stores: Stores) -> None:
    """Apart from the sweep."""
    await stores.run_history.swept(START, {"ended": 7})
    assert await stores.run_history.last_reconciliation() is None
    for number in range(3):
        await stores.run_history.reconciled(START + timedelta(minutes=number), {"removed": number})
    assert (START + timedelta(minutes=2), {"removed": 2}) == await stores.run_history.last_reconciliation()
    assert (START, {"ended": 7}) == await stores.run_history.last_sweep()


async def test_a_store_that_answers_is_reachable(stores: Stores) -> None:
    """Even before anything was written."""
    assert await stores.run_history.reachable()


async def test_a_reading_goes_on_where_storage_has_stopped_looking(tables: Stores) -> None:
    """By storage's own token, which a cursor carries when time was up within a day."""
    for number in range(5):
        await tables.audit.record(event(number))
    table = tables.audit._table  # type: ignore[attr-defined]  # the store's own
    condition = f"PartitionKey eq '{START:%Y%m%d}'"
    first = [(rows, token) async for rows, token in table.pages(condition, limit=2)]
    assert [2, 2, 1] == [len(rows) for rows, _ in first]
    query = replace(WEEK, cursor=str(Place(START.date(), token=first[0][1])))
    assert ["operation-2", "operation-3", "operation-4"] == [each.operation for each in (await tables.audit.read(query)).items]


async def test_admissions_are_replaced_one_after_the_other(stores: Stores) -> None:
    """Only over the version that was read, the first one over none; and they are no role."""
    one, two = LeaseId.of(WEB, "0" * 26), LeaseId.of(WEB, "1" * 26)
    first = await stores.roles.admissions(WEB)
    await stores.roles.admit(WEB, frozenset({one}), former=first)
    with pytest.raises(LostRace):
        await stores.roles.admit(WEB, frozenset({two}), former=first)
    second = await stores.roles.admissions(WEB)
    await stores.roles.admit(WEB, frozenset({one, two}), former=second)
    with pytest.raises(LostRace):
        await stores.roles.admit(WEB, frozenset(), former=second)
    third = await stores.roles.admissions(WEB)
    assert [[], [one], [one, two]] == [sorted(each.leases) for each in (first, second, third)]
    assert (None, ()) == (await stores.roles.get(WEB), await stores.roles.list())
    assert frozenset() == (await stores.roles.admissions(RoleName("other"))).leases


async def test_many_admissions_are_kept(stores: Stores) -> None:
    """More than one property holds."""
    many = frozenset(LeaseId.of(WEB, f"{number:026d}") for number in range(2000))
    await stores.roles.admit(WEB, many, former=await stores.roles.admissions(WEB))
    assert many == (await stores.roles.admissions(WEB)).leases


@pytest.mark.parametrize("gone", [True, False])
async def test_a_deletion_that_meets_another_change_looks_again(
    tables: Stores, monkeypatch: pytest.MonkeyPatch, *, gone: bool
) -> None:
    """Deleted is deleted, by whomever; what was changed instead is not what was to be deleted."""
    await tables.roles.put(role(), expected=ABSENT)
    write = Table.write

    async def beaten(table: Table, operations: Sequence[Operation]) -> Any:
        if gone:
            await write(table, operations)
        raise LostRace

    monkeypatch.setattr(Table, "write", beaten)
    if gone:
        assert await tables.roles.delete(WEB, expected=ANY)
    else:
        with pytest.raises(PreconditionFailed):
            await tables.roles.delete(WEB, expected=ANY)


@pytest.mark.parametrize("stored", [True, False])
async def test_an_event_whose_insert_was_refused_is_looked_for(
    tables: Stores, monkeypatch: pytest.MonkeyPatch, *, stored: bool
) -> None:
    """A repeat after a lost answer meets its own row; any other refusal has kept nothing, and that is told."""
    write, event = Table.write, AuditEvent(START, "sweep", Outcome.DONE, "r")

    async def refused(table: Table, operations: Sequence[Operation]) -> Any:
        if stored:
            await write(table, operations)
        raise LostRace

    monkeypatch.setattr(Table, "write", refused)
    if stored:
        await tables.audit.record(event)
        assert [event] == list((await tables.audit.read(AuditQuery(START, START + timedelta(days=1)))).items)
    else:
        with pytest.raises(Unavailable):
            await tables.audit.record(event)
