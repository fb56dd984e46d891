"""Ready: how long it takes until a credential works everywhere, by the way in which it is made.

See ``ready_broker`` for what is real and what is simulated. Each way has a broker and a local Azure of its own, with the same
seed, and makes one lease after the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.cloud.disturbances.profiles import ELSEWHERE
from shared.core import ownership
from shared.core.directory import NewApplication
from shared.core.errors import Absent, AmbiguousRefusal
from shared.core.footprint import Assignment
from shared.core.names import LeaseId
from shared.core.pool import MAX_SIZE
from shared.issuers.service_principal.issuer import ServicePrincipalIssuer
from shared.issuers.service_principal.target import ServicePrincipalTarget
from shared.resilience.retry import SAFE_TO_REPEAT
from tests.bench.figures import Figure, Target, percentile
from tests.bench.ready_broker import ARM_SCOPE, IN_AZURE, PROFILE, REGIONS, Scene, Writes, scene, writes

_PATIENCE = 180.0
_MAY_PASS = (*SAFE_TO_REPEAT, Absent, AmbiguousRefusal)
"""What Graph answers while the replica that is asked does not know a fresh object yet."""


@dataclass(frozen=True, slots=True)
class Got:
    """What came of one lease, in seconds since it was asked for.

    ``answered``: there was a credential that was said to work. ``truth``: every replica had all that it needs; 0 if that was so
    before. ``refused_by``: the replicas that refused it as it was answered.
    """

    answered: float
    truth: float
    refused_by: Sequence[str]
    writes: Writes
    calls: int
    """To Azure."""

    @property
    def usable(self) -> float:
        """Whoever tries again and again until it works everywhere has it then."""
        return max(self.answered, self.truth)

    @property
    def accepted(self) -> bool:
        """Whether every replica accepted it as it was answered."""
        return not self.refused_by

    @property
    def accepted_here(self) -> bool:
        """Whether every replica did that the broker can meet."""
        return all(name.startswith(f"{ELSEWHERE}/") for name in self.refused_by)

    @property
    def late(self) -> float:
        """How much later than the truth it was answered; negative if too early."""
        return self.answered - self.truth


@dataclass(frozen=True, slots=True)
class Targets:
    """``above_truth``: seconds more than the truth; else ``p50`` and ``p95`` are seconds. ``wrong`` in percent.

    ``wrong_here``: of what the broker can meet, where there is another region.
    """

    above_truth: float | None = None
    p50: float | None = None
    p95: float | None = None
    wrong: float | None = None
    wrong_here: float | None = None
    graph: int | None = None
    arm: int | None = None


async def naive(issues: int) -> list[Got]:
    """Vault's order of calls: application, principal, assignment, secret. Nothing is waited for, nothing is tried."""
    async with scene() as on:
        await on.put(ready="none")
        role = await on.ports.roles.get(on.role)
        assert role is not None
        assert isinstance(role.target, ServicePrincipalTarget)
        return [await _naive(on, role.target) for _ in range(issues)]


async def _naive(on: Scene, target: ServicePrincipalTarget) -> Got:
    issuer: Any = on.ports.kinds.of(target).issuer
    assert isinstance(issuer, ServicePrincipalIssuer)
    lease = LeaseId.of(on.role, on.ports.ids.ulid(on.ports.now()))
    name, began = ownership.unique_name(lease), on.seconds()

    async def repeated[T](call: Callable[[], Awaitable[T]]) -> T:
        """A client repeats what Graph does not know yet."""
        return await issuer.retry.call(call, on=_MAY_PASS, deadline=began + _PATIENCE)

    with on.counting() as made:
        wanted = NewApplication(name, name, target.sign_in_audience, (), "", None)
        application = await repeated(lambda: issuer.directory.upsert_application(wanted))
        principal = await repeated(lambda: issuer.directory.create_principal(application.app_id))
        (granted,) = target.azure_roles
        assignment = Assignment(granted.scope, ownership.assignment_name(lease, 0))
        await repeated(lambda: issuer.authorization.assign(assignment, granted.definition_id, principal, None, ""))
        end = on.ports.now().replace(year=on.ports.now().year + 1)
        secret = await repeated(lambda: issuer.directory.add_secret(application.object_id, name, end))
    found = {"client_id": application.app_id, "client_secret": secret.secret.reveal()}
    return _got(on, found, began, made, everywhere=True)


def _got(on: Scene, credential: Mapping[str, str], began: float, made: Sequence[Any], *, everywhere: bool) -> Got:
    answered, refused_by = on.seconds() - began, on.refusals(credential, everywhere=everywhere)
    truth = on.accepted_at(credential, began, everywhere=everywhere) - began
    to_azure = sum(call.service in IN_AZURE for call in made)
    return Got(answered, truth, refused_by, writes([*made]), to_azure)


async def _lease(on: Scene, *, everywhere: bool) -> Got:
    began = on.seconds()
    with on.counting() as made:
        issued = await on.issued()
    credential: Any = issued.credential
    secret = getattr(credential, "client_secret", None)
    proof = {"assertion": on.assertion()} if secret is None else {"client_secret": secret.reveal()}
    return _got(on, {"client_id": credential.client_id, **proof}, began, made, everywhere=everywhere)


async def _cold(issues: int, ready: str, *, blobs: bool = False, profile: str = PROFILE) -> list[Got]:
    async with scene(blobs=blobs, profile=profile) as on:
        await on.put(ready=ready)
        return [await _lease(on, everywhere=ready == "access") for _ in range(issues)]


async def cold_token(issues: int) -> list[Got]:
    """A secret, made as it is asked for, and seen to sign in."""
    return await _cold(issues, "token")


async def cold_regions(issues: int) -> list[Got]:
    """The same, where Entra ID is in another region as well."""
    return await _cold(issues, "token", profile=REGIONS)


async def cold_access(issues: int) -> list[Got]:
    """A secret that was also seen to work in Resource Manager."""
    return await _cold(issues, "access")


async def cold_blobs(issues: int) -> list[Got]:
    """A secret that was also seen to read blobs."""
    return await _cold(issues, "access", blobs=True)


async def _pooled(issues: int, *, everywhere: bool, profile: str = PROFILE, **fields: Any) -> list[Got]:
    """From a full pool, which is filled again when it is empty: only what the claims take is counted."""
    found: list[Got] = []
    async with scene(profile=profile) as on:
        await on.put(pool={"size": MAX_SIZE}, **fields)
        while len(found) < issues:
            wanted = min(MAX_SIZE, issues - len(found))
            await on.fill_pool(wanted)
            found += [await _lease(on, everywhere=everywhere) for _ in range(wanted)]
            on.on.fillings.take()
    return found


async def pool_and_secret(issues: int) -> list[Got]:
    """The secret alone is made as it is asked for, and seen to sign in."""
    return await _pooled(issues, everywhere=False, ready="token")


async def pool_and_token(issues: int, profile: str = PROFILE) -> list[Got]:
    """Nothing is made as it is asked for, and what stands in the pool was seen to work in Resource Manager."""
    fields = {"ready": "access", "credential": "token", "token_scopes": [ARM_SCOPE]}
    return await _pooled(issues, everywhere=True, profile=profile, **fields)


async def pool_and_regions(issues: int) -> list[Got]:
    """The same, where Entra ID is in another region as well."""
    return await pool_and_token(issues, REGIONS)


COLUMNS: Mapping[str, tuple[Callable[[int], Awaitable[list[Got]]], Targets]] = {
    "naive": (naive, Targets()),
    "cold token": (cold_token, Targets(above_truth=6, wrong=0.5, graph=3, arm=1)),
    "cold access": (cold_access, Targets(above_truth=12, wrong=0.5, graph=3, arm=1)),
    "cold access to blobs": (cold_blobs, Targets(wrong=1.5, graph=3, arm=1)),
    "pool + secret": (pool_and_secret, Targets(p50=25, p95=65, wrong=0.5, graph=1, arm=0)),
    "pool + token": (pool_and_token, Targets(p50=0.5, p95=1.5, wrong=0, graph=0, arm=0)),
    "cold token, two regions": (cold_regions, Targets(wrong_here=0.5, graph=3, arm=1)),
    "pool + token, two regions": (pool_and_regions, Targets(wrong_here=0, graph=0, arm=0)),
}


def run(column: str, issues: int) -> list[Got]:
    """One way, from beginning to end: the work of a process."""

    async def measured() -> list[Got]:
        return await COLUMNS[column][0](issues)

    return asyncio.run(measured())


def figures(column: str, found: Sequence[Got]) -> Iterator[Figure]:
    """The column's part of the table."""
    wanted = COLUMNS[column][1]
    for share, at_most in ((0.5, wanted.p50), (0.95, wanted.p95)):
        truth = percentile([each.truth for each in found], share)
        limit = at_most if wanted.above_truth is None else truth + wanted.above_truth
        usable, name = percentile([each.usable for each in found], share), f"p{100 * share:.0f}"
        yield Figure(f"{column}: until every replica accepts, {name}", usable, "s", _at_most(limit))
        yield Figure(f"{column}: the truth, {name}", truth, "s")
        late = percentile([each.late for each in found], share)
        yield Figure(f"{column}: answered after the truth, {name}", late, "s", _at_most(wanted.above_truth))
    wrong = 100 * sum(not each.accepted for each in found) / len(found)
    yield Figure(f"{column}: answered, and some replica refuses", wrong, "%", _at_most(wanted.wrong))
    if wanted.wrong_here is not None:
        wrong = 100 * sum(not each.accepted_here for each in found) / len(found)
        yield Figure(f"{column}: answered, and some replica of its region refuses", wrong, "%", _at_most(wanted.wrong_here))
    for name, limit, written in (("Graph", wanted.graph, "graph"), ("ARM", wanted.arm, "arm")):
        counts = [float(getattr(each.writes, written)) for each in found]
        yield Figure(f"{column}: writes to {name} at issue, p50", percentile(counts, 0.5), "calls", _at_most(limit))
    calls = [float(each.calls) for each in found]
    for share in (0.5, 0.95):
        yield Figure(f"{column}: calls to Azure at issue, p{100 * share:.0f}", percentile(calls, share), "calls")


def _at_most(limit: float | None) -> Target | None:
    return None if limit is None else Target("<=", limit)
