"""Auth roles and policies as a whole: their version changes with each of them, and all are read at one version."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
from azure.core.exceptions import ServiceRequestError

from shared.cloud.azure_connections import InTime
from shared.cloud.storage import access_table
from shared.cloud.storage.access_table import TableAccess, TablePolicies
from shared.cloud.storage.table_operations import put
from shared.cloud.storage.table_rest import Tables
from shared.cloud.storage.tables import Table, connect
from shared.core.access.auth_role import AuthRole, write_auth_role
from shared.core.access.bounds import Bounds
from shared.core.access.configuration import Configuration
from shared.core.access.policy import Policy, Rule, write_policy
from shared.core.errors import Fault, PreconditionFailed, Unavailable
from shared.core.forms import AUTH_ROLE, POLICY
from shared.core.ports.access import StoredAccess
from shared.core.ports.documents import ABSENT, ANY, Version
from tests.contract.stores import LOSSES, Stores
from tests.contract.test_document_stores import auth_role, policy
from tests.fakes.clock import FixedIds
from tests.fakes.world import role

LARGEST = 256
LATER_FORM: Mapping[str, Any] = {"Form": 9}


def documents_in(loaded: StoredAccess) -> dict[str, Any]:
    """What was loaded, with names, versions and documents."""
    found = {"auth role": loaded.auth_roles, "policy": loaded.policies}
    return {
        f"{kind} {name}": (each.document(), each.version) for kind, listed in found.items() for name, each in listed.items()
    }


async def test_nothing_was_ever_written(stores: Stores) -> None:
    """There may not even be a table."""
    assert ("", StoredAccess({}, {}, "")) == (await stores.access.version(), await stores.access.load())


async def test_each_write_and_each_deletion_changes_the_version(stores: Stores) -> None:
    """Of both types, to one that was never there before. A role changes it by ``touch``."""
    writes: list[Callable[[], Awaitable[object]]] = [
        lambda: stores.auth_roles.put(auth_role("web"), expected=ABSENT),
        lambda: stores.policies.put(policy("web"), expected=ABSENT),
        lambda: stores.auth_roles.put(auth_role("web"), expected=ANY),
        lambda: stores.policies.put(policy("web", 2), expected=ANY),
        stores.access.touch,
        lambda: stores.auth_roles.delete("web", expected=ANY),
        lambda: stores.policies.delete("web", expected=ANY),
        lambda: stores.policies.put(policy("web"), expected=ABSENT),
        stores.access.touch,
    ]
    versions = [await stores.access.version()]
    for write in writes:
        await write()
        versions.append(await stores.access.version())
    assert len(writes) + 1 == len({*versions})


async def test_reads_and_refused_writes_leave_the_version(stores: Stores) -> None:
    """Nothing was changed. Writes of roles leave it as well."""
    first = await stores.auth_roles.put(auth_role("web"), expected=ABSENT)
    await stores.auth_roles.put(auth_role("web", 2), expected=ANY)
    before = await stores.access.version()
    for stale in (ABSENT, Version(first.version)):
        with pytest.raises(PreconditionFailed):
            await stores.auth_roles.put(auth_role("web", 3), expected=stale)
        with pytest.raises(PreconditionFailed):
            await stores.auth_roles.delete("web", expected=stale)
    with pytest.raises(PreconditionFailed):
        await stores.policies.put(policy("web"), expected=Version(first.version))
    assert not await stores.policies.delete("web", expected=ANY)
    await asyncio.gather(
        *(stores.auth_roles.get("web"), stores.auth_roles.list(), stores.policies.page(1), stores.access.load()),
        stores.roles.put(role(), expected=ANY),
    )
    assert before == await stores.access.version()


async def test_a_change_may_be_made_at_the_version_that_it_was_judged_at_alone(stores: Stores) -> None:
    """Empty: when nothing was ever written. Otherwise it is refused, and leaves documents and version."""
    first = await stores.auth_roles.put(auth_role("web"), expected=ANY, judged_at="")
    judged_at = await stores.access.version()
    await stores.policies.put(policy("web"), expected=ABSENT, judged_at=judged_at)
    before = await stores.access.version()
    for stale in ("", judged_at):
        with pytest.raises(PreconditionFailed):
            await stores.auth_roles.put(auth_role("web", 2), expected=Version(first.version), judged_at=stale)
        with pytest.raises(PreconditionFailed):
            await stores.policies.put(policy("new"), expected=ABSENT, judged_at=stale)
        with pytest.raises(PreconditionFailed):
            await stores.policies.delete("web", expected=ANY, judged_at=stale)
    assert (before, first, None) == (
        *(await stores.access.version(), await stores.auth_roles.get("web")),
        await stores.policies.get("new"),
    )
    gone = await stores.policies.delete("web", expected=ANY, judged_at=before)
    assert gone
    assert await stores.access.version() == gone.whole


async def test_all_documents_are_loaded_as_they_were_written(stores: Stores) -> None:
    """With their versions, at the version that ``version`` says. Roles are not among them."""
    await stores.roles.put(role(), expected=ANY)
    expected: dict[str, Any] = {}
    for name in ("web", "b", "version"):
        made = await stores.auth_roles.put(auth_role(name), expected=ANY)
        rules = await stores.policies.put(policy(name), expected=ANY)
        expected[f"auth role {name}"] = write_auth_role(made), made.version
        expected[f"policy {name}"] = write_policy(rules), rules.version
    loaded = await stores.access.load()
    assert (expected, await stores.access.version()) == (documents_in(loaded), loaded.version)


async def test_the_largest_documents_read_back(stores: Stores) -> None:
    """Texts of many octets take more than one property."""
    groups = frozenset(f"{'é' * 80}-{number}" for number in range(LARGEST))
    rules = tuple(Rule(f"roles/{'x' * 200}-{number}/leases", ("issue",)) for number in range(LARGEST))
    made = await stores.auth_roles.put(AuthRole("web", Bounds(app_roles=groups)), expected=ANY)
    written = await stores.policies.put(Policy("web", rules), expected=ANY)
    assert (made, written) == (await stores.auth_roles.get("web"), await stores.policies.get("web"))
    loaded = await stores.access.load()
    configuration = Configuration(loaded.auth_roles, loaded.policies)
    assert (made, written) == (configuration.auth_role("web"), configuration.policy("web"))


NAMES = ("a", "m", "z")


async def test_what_is_loaded_is_of_one_version_while_another_writes(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other writes a number into one document after the other: no load sees a number before the one that precedes it.

    A page has one document, so that a load takes as long as the writes of several.
    """
    monkeypatch.setattr(access_table, "_PAGE", 1)
    await write_everywhere(stores, 0)
    writing = asyncio.ensure_future(write_rounds(stores))
    loads = []
    while not writing.done():
        with contextlib.suppress(Unavailable):
            loads.append(documents_in(await stores.access.load()))
        await asyncio.sleep(0)
    await writing
    assert loads
    for loaded in loads:
        numbers = [number_in(loaded[f"{kind} {name}"][0]) for name in NAMES for kind in ("policy", "auth role")]
        assert sorted(numbers, reverse=True) == numbers
        assert numbers[0] - numbers[-1] <= 1


async def write_everywhere(stores: Stores, number: int) -> None:
    """Into one after the other."""
    for name in NAMES:
        await stores.policies.put(policy(name, number), expected=ANY)
        await stores.auth_roles.put(auth_role(name, number), expected=ANY)


async def write_rounds(stores: Stores) -> None:
    """With pauses, in which a load succeeds."""
    for number in range(1, 9):
        await write_everywhere(stores, number)
        await asyncio.sleep(0.1)


def number_in(document: Any) -> int:
    """What ``policy`` or ``auth_role`` was given."""
    path = document["rules"][0]["path"].split("/")[1] if "rules" in document else document["policies"][0].rpartition("-")[2]
    return int(path)


async def damage(connection: str, row: str, change: Mapping[str, Any]) -> None:
    """Writes these properties alone into a row of auth roles and policies."""
    async with connect(connection) as service:
        await Table(service, "roles").write([put({"PartitionKey": "access", "RowKey": row, **change})])


@pytest.mark.parametrize(
    "change", [{"Document0": "{"}, {"Document0": "[]"}, {"Document1": "{}"}, {}, {"Document0": "[" * 9999}]
)
async def test_a_damaged_row_stands_in_nobodys_way(storage_connection: str, tables: Stores, change: Mapping[str, Any]) -> None:
    """It is read as a document with faults. It can be written again, and deleted."""
    good = await tables.policies.put(policy("good"), expected=ANY)
    for row in ("auth-role_bad", "policy_bad"):
        await damage(storage_connection, row, change)
    bad, rules = await tables.auth_roles.get("bad"), await tables.policies.get("bad")
    assert bad is not None
    assert rules is not None
    assert (True, Bounds(), True, ()) == (bool(bad.faults), bad.bounds, bool(rules.faults), rules.rules)
    assert ((bad,), (rules, good)) == (await tables.auth_roles.list(), await tables.policies.list())
    loaded = await tables.access.load()
    configuration = Configuration(loaded.auth_roles, loaded.policies)
    assert (bad, rules, good) == (configuration.auth_role("bad"), configuration.policy("bad"), configuration.policy("good"))
    assert await tables.auth_roles.put(auth_role("bad"), expected=Version(bad.version)) == await tables.auth_roles.get("bad")
    assert await tables.policies.delete("bad", expected=Version(rules.version))


async def test_nothing_in_a_row_of_a_later_form_is_believed(storage_connection: str, tables: Stores) -> None:
    """Its fault names the form. What is loaded of it has a fault as well."""
    for row, document in (
        ("auth-role_later", write_auth_role(auth_role("later"))),
        ("policy_later", write_policy(policy("later"))),
    ):
        await damage(storage_connection, row, {**LATER_FORM, "Document0": json.dumps(document)})
    fault = Fault("", "is stored in form 9, and this version of the broker reads up to form 1")
    bad, rules = await tables.auth_roles.get("later"), await tables.policies.get("later")
    assert bad is not None
    assert rules is not None
    assert AuthRole("later", Bounds(), version=bad.version, faults=(fault,)) == bad
    assert Policy("later", version=rules.version, faults=(fault,)) == rules
    loaded = await tables.access.load()
    configuration = Configuration(loaded.auth_roles, loaded.policies)
    found, listed = configuration.auth_role("later"), configuration.policy("later")
    assert found is not None
    assert listed is not None
    assert (True, Bounds(), True, ()) == (bool(found.faults), found.bounds, bool(listed.faults), listed.rules)
    assert (1, 1) == (AUTH_ROLE.newest, POLICY.newest)


async def test_the_version_of_a_later_form_still_changes_with_each_write(storage_connection: str, tables: Stores) -> None:
    """Nothing in its row is read."""
    versions = [await tables.access.version()]
    for change in ({**LATER_FORM, "Surprise": "x"}, {}):
        await damage(storage_connection, "version", change)
        versions.append((await tables.access.load()).version)
    await tables.policies.put(policy("web"), expected=ANY)
    versions.append(await tables.access.version())
    assert 4 == len({*versions})


class Twice(InTime):
    """Sends the next write twice, and lets another worker write in between."""

    def __init__(self) -> None:
        super().__init__()
        self.between: Callable[[], Awaitable[object]] | None = None

    async def send(self, request: Any, **options: Any) -> Any:
        """Raises what makes the sender repeat a write that was carried out."""
        answer = await super().send(request, **options)
        if request.method != "GET" and (between := self.between) is not None:
            self.between = None
            await between()
            raise ServiceRequestError("it was dead")
        return answer


async def test_a_write_that_storage_carries_out_twice_brings_no_version_back(storage_connection: str, tables: Stores) -> None:
    """A worker that has read the version between the two would otherwise not see what was written after that."""
    line = Twice()
    seen: list[str] = []

    async def another_writes() -> None:
        seen.append(await tables.access.version())
        await tables.auth_roles.put(auth_role("web"), expected=ANY)
        seen.append(await tables.access.version())

    async with Tables.from_connection_string(storage_connection, transport=line) as service:
        line.between = another_writes
        await TablePolicies(service, FixedIds()).put(policy("web"), expected=ANY)
    seen.append(await tables.access.version())
    assert 3 == len({*seen})


@LOSSES
async def test_the_version_is_changed_again_if_the_answer_was_lost(tables: Stores, loss: Exception) -> None:
    """Nothing is done twice by that: any new version is as good."""
    assert tables.line is not None
    await tables.access.touch()
    before = await tables.access.version()
    tables.line.loss, tables.line.losing = loss, True
    await tables.access.touch()
    assert not tables.line.losing
    assert before != await tables.access.version()


async def test_a_load_is_repeated_while_another_writes_and_gives_up_in_the_end(storage_connection: str) -> None:
    """After five reads. The version of the last read is the one to compare the next with."""
    async with connect(storage_connection) as service:
        access, policies = TableAccess(service), TablePolicies(service, FixedIds())
        reading, left = access._read, 0

        async def read(of: Any) -> Any:
            nonlocal left
            found = await reading(of)
            if of.form is POLICY and left:
                left -= 1
                await policies.put(policy("web", left), expected=ANY)
            return found

        access._read = read  # type: ignore[method-assign]
        left = 4
        loaded = await access.load()
        assert (0, await access.version()) == (number_in(loaded.policies["web"].document()), loaded.version)
        left = 5
        with pytest.raises(Unavailable):
            await access.load()
