"""An admin's change comes between what somebody else's change was judged by, and its write."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from shared.broker.configure.auth_roles import delete_auth_role, put_auth_role
from shared.broker.configure.import_sections import Imported
from shared.broker.configure.imports import import_configuration
from shared.broker.configure.policies import delete_policy, put_policy
from shared.broker.configure.roles import delete_role, put_role
from shared.core.access.bounds import Bounds
from shared.core.access.errors import Escalation, ImportStopped
from shared.core.access.policy import PolicyName
from shared.core.errors import NotFound, PreconditionFailed, Rejected
from shared.core.ports.documents import ABSENT, Version
from tests.broker.scenes import issued
from tests.fakes.calls import MadeCall
from tests.fakes.world import ADMINISTRATOR, BOB, GROUPS, WEB, World, request, role, world
from tests.support.rights import give, keep_auth_role, keep_policy

ONE = PolicyName("one")
WRITER = (("policies/*", "read write delete"), ("auth-roles/*", "read write delete"), ("roles/*", "read write delete"))
STAFF = {"bound_group_ids": [GROUPS[0]], "policies": []}
READING = {"rules": [{"path": "roles/web", "capabilities": ["read"]}]}
ROBOTS, DEPLOYERS = (Bounds(app_roles=frozenset({name})) for name in ("Clerk", "Deployer"))
type Work = Callable[[World], Coroutine[Any, Any, object]]


def furnished() -> World:
    """Bob may write all documents, and issue nothing."""
    made = world(role(bounds=ROBOTS))
    give(made, BOB, *WRITER)
    keep_policy(made, "one", ("roles/web", "read"), ("roles/x", "read"))
    keep_policy(made, "closed", ("roles/x", "deny"))
    keep_auth_role(made, "one", bound_group_ids=[GROUPS[0]])
    return made


def interrupted(work: Work, change: Callable[[World], object]) -> Iterator[World]:
    """The world after Bob's work, with the admin's change before each of its calls in turn."""
    undisturbed = furnished()
    undisturbed.run(lambda: work(undisturbed))
    for ordinal in range(1, len(undisturbed.calls.made) + 1):
        made = furnished()

        async def changing(made: World = made) -> None:
            change(made)

        async def working(made: World = made) -> None:
            with suppress(Escalation, NotFound):
                await work(made)

        made.calls.meanwhile(ordinal, changing)
        made.run(working)
        yield made


def test_a_deny_that_an_admin_has_just_written_stays() -> None:
    """Bob has written the policy without it, because it was not there when he was judged."""
    for made in interrupted(
        lambda made: put_policy(made.ports, request(BOB), ONE, READING),
        lambda made: keep_policy(made, "one", ("roles/web", "read"), ("roles/x", "deny")),
    ):
        policy = made.access.policies.kept("one")
        assert policy is not None
        assert policy.denies


def test_a_policy_that_has_just_got_a_deny_is_not_deleted() -> None:
    """Bob may delete it as long as it denies nothing."""
    for made in interrupted(
        lambda made: delete_policy(made.ports, request(BOB), ONE),
        lambda made: keep_policy(made, "one", ("roles/web", "read"), ("roles/x", "deny")),
    ):
        policy = made.access.policies.kept("one")
        assert policy is not None
        assert policy.denies


def test_a_deny_that_an_admin_has_just_written_is_not_taken_from_callers_by_force() -> None:
    """Bob takes the policy's name out of auth roles: of none that names it when it gets the deny."""
    named: list[list[str]] = []

    def users(made: World) -> list[str]:
        return [each.name for each in made.access.auth_roles.everything() if "one" in each.policies]

    def deny(made: World) -> None:
        keep_policy(made, "one", ("roles/web", "read"), ("roles/x", "deny"))
        named.append(users(made))

    async def force(made: World) -> None:
        for name in ("a", "b"):
            keep_auth_role(made, name, "one", bound_group_ids=[GROUPS[0]])
        await delete_policy(made.ports, request(BOB), ONE, force=True)

    assert [users(made) for made in interrupted(force, deny)] == named
    assert {0, 1, 2} == {len(each) for each in named}


def test_a_policy_with_a_deny_that_an_admin_has_just_named_stays_named() -> None:
    """Bob has written the auth role without it."""
    for made in interrupted(
        lambda made: put_auth_role(made.ports, request(BOB), ONE, STAFF | {"policies": ["one"]}),
        lambda made: keep_auth_role(made, "one", "closed", bound_group_ids=[GROUPS[0]]),
    ):
        auth_role = made.access.auth_roles.kept("one")
        assert auth_role is not None
        assert ("closed",) == auth_role.policies


def test_bounds_that_an_admin_has_just_changed_stay() -> None:
    """Bob has written the role with the bounds that it had."""
    for made in interrupted(
        lambda made: put_role(made.ports, request(BOB), role(bounds=ROBOTS, ttl=120)),
        lambda made: made.roles.keep(role(bounds=DEPLOYERS)),
    ):
        stored = made.roles.kept(WEB)
        assert stored is not None
        assert DEPLOYERS == stored.bounds


def put_staff(made: World) -> Coroutine[Any, Any, object]:
    """An auth role names the policy."""
    document = {"bound_group_ids": [GROUPS[1]], "policies": ["one"]}
    return put_auth_role(made.ports, request(ADMINISTRATOR), PolicyName("staff"), document)


def import_staff(made: World) -> Coroutine[Any, Any, object]:
    """An import makes an auth role that names the policy."""
    document = {"form": 1, "auth_roles": {"staff": {"bound_group_ids": [GROUPS[1]], "policies": ["one"]}}}
    return import_configuration(made.ports, request(ADMINISTRATOR), document)


def delete_one(made: World) -> Coroutine[Any, Any, object]:
    """The policy is deleted, if no auth role names it."""
    return delete_policy(made.ports, request(ADMINISTRATOR), ONE)


def force_one(made: World) -> Coroutine[Any, Any, object]:
    """The policy is deleted, and its name taken out of auth roles."""
    return delete_policy(made.ports, request(ADMINISTRATOR), ONE, force=True)


def prune_one(made: World) -> Coroutine[Any, Any, object]:
    """An import deletes the policy, if no auth role names it."""
    document = {"form": 1, "policies": dict.fromkeys(("own", "closed"), READING)}
    return import_configuration(made.ports, request(ADMINISTRATOR), document, prune=True)


@pytest.mark.parametrize("naming", [put_staff, import_staff])
@pytest.mark.parametrize("deleting", [delete_one, force_one, prune_one])
@pytest.mark.parametrize("first", [True, False])
def test_no_auth_role_is_left_with_a_policy_that_is_not_there(naming: Work, deleting: Work, *, first: bool) -> None:
    """Whatever call of the one comes before whatever call of the other: one of them is refused, or both fit together."""
    work, other = (naming, deleting) if first else (deleting, naming)
    undisturbed = furnished()
    undisturbed.run(lambda: work(undisturbed))
    for ordinal in range(1, len(undisturbed.calls.made) + 1):
        made = furnished()

        async def all_of_it(work: Work, worker: World) -> None:
            with suppress(Rejected, ImportStopped):
                await work(worker)

        made.calls.meanwhile(ordinal, partial(all_of_it, other, made.coworker()))
        made.run(partial(all_of_it, work, made))
        there = made.access.policies.stored()
        assert [] == [name for each in made.access.auth_roles.everything() for name in each.policies if name not in there]


def delete_named(made: World) -> Coroutine[Any, Any, object]:
    """An auth role is deleted."""
    return delete_auth_role(made.ports, request(ADMINISTRATOR), ONE)


def delete_web(made: World) -> Coroutine[Any, Any, object]:
    """A role is deleted."""
    return delete_role(made.ports, request(ADMINISTRATOR), WEB, revoking=False)


def prune_all(made: World) -> Coroutine[Any, Any, object]:
    """An import deletes each document but those that give Bob his rights."""
    own = {"auth_roles": {"own": {"bound_group_ids": [GROUPS[1]], "policies": ["own"]}}, "policies": {"own": READING}}
    return import_configuration(made.ports, request(ADMINISTRATOR), {"form": 1, "roles": {}, **own}, prune=True)


DELETIONS: dict[str, tuple[Work, ...]] = {
    "auth-roles/one": (delete_named,),
    "policies/one": (delete_one, force_one),
    "roles/web": (delete_web,),
}


@pytest.mark.parametrize("path", DELETIONS)
@pytest.mark.parametrize("rival", [None, force_one, prune_all], ids=["the same", "by force", "an import"])
@pytest.mark.parametrize("first", [True, False])
def test_one_deletion_is_told_once(path: str, rival: Work | None, *, first: bool) -> None:
    """Whatever call of one worker comes before whatever call of another. Who has not deleted it is not answered that it has."""
    deletion, *_ = DELETIONS[path]
    work, other = deletion, rival or deletion
    work, other = (work, other) if first else (other, work)
    undisturbed = furnished()
    undisturbed.run(lambda: work(undisturbed))
    for ordinal in range(1, len(undisturbed.calls.made) + 1):
        made = furnished()
        done: list[object] = []

        async def all_of_it(work: Work, worker: World, done: list[object] = done) -> None:
            with suppress(Rejected):
                try:
                    answer = await work(worker)
                    done += [step.path for step in answer.steps] if isinstance(answer, Imported) else [work]
                except ImportStopped as stopped:
                    done += stopped.more["applied"]

        made.calls.meanwhile(ordinal, partial(all_of_it, other, made.coworker()))
        made.run(partial(all_of_it, work, made))
        recorded = [event.document for event in made.audit.events if event.operation.startswith("delete_")]
        assert recorded == [*dict.fromkeys(recorded)]
        assert not made.pending_events()
        answers = [each for each in done if each in {*DELETIONS[path], path.replace("-", "_").replace("/", ".")}]
        assert len(answers) == recorded.count(path)


async def test_a_repeated_deletion_of_a_role_tells_of_the_revocation_alone() -> None:
    """As long as leases are left, and whether or not the first one has come to its end."""
    made = world(role())
    for _ in range(2):
        await issued(made)
    for _ in range(3):
        await delete_role(made.ports, request(ADMINISTRATOR), WEB, revoking=True)
    recorded = Counter(event.operation for event in made.audit.events)
    assert (1, 3) == (recorded["delete_role"], recorded["revoke_role"])


async def test_a_change_is_judged_again_and_written() -> None:
    """If what came between does not forbid it, its author does not notice."""
    made = furnished()

    def meddle(call: MadeCall) -> None:
        if call.name == "policies.put" and len(made.calls.named("policies.put")) == 1:
            keep_policy(made, "one", ("roles/y", "read"))

    made.calls.watch = meddle
    written = await put_policy(made.ports, request(BOB), ONE, READING)
    assert [READING["rules"][0]["path"]] == [rule.path for rule in written.document.rules]
    assert written.document == made.access.policies.kept("one")


async def test_a_change_is_judged_again_only_so_often() -> None:
    """Then its author is told that somebody else is changing the document."""
    made = furnished()

    def meddle(call: MadeCall) -> None:
        if call.name == "policies.put":
            keep_policy(made, "one", (f"roles/y{call.ordinal}", "read"))

    made.calls.watch = meddle
    with pytest.raises(PreconditionFailed):
        await put_policy(made.ports, request(BOB), ONE, READING)
    assert 5 == len(made.calls.named("policies.put"))


@pytest.mark.parametrize("is_there", [True, False])
async def test_a_change_under_a_condition_is_not_judged_again(*, is_there: bool) -> None:
    """Its author has said what it may replace."""
    made = furnished()
    former = keep_policy(made, "one", ("roles/web", "read"), ("roles/x", "read")) if is_there else None
    name = ONE if is_there else PolicyName("two")

    def meddle(call: MadeCall) -> None:
        if call.name == "policies.put":
            keep_policy(made, name, ("roles/y", "read"))

    made.calls.watch = meddle
    with pytest.raises(PreconditionFailed):
        await put_policy(
            made.ports, request(BOB), name, READING, expected=Version(former.version) if former is not None else ABSENT
        )
    assert 1 == len(made.calls.named("policies.put"))
