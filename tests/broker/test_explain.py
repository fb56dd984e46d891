"""Explaining to an operator: who a subject would be, what is assumed of it, and what is recorded."""

from __future__ import annotations

from typing import Any

import pytest

from shared.broker.explain import Answer, Question, explain_to
from shared.core.access.documents import facts_from
from shared.core.access.policy import Capability
from shared.core.audit import AuditEvent
from shared.core.caller import ADMIN, AUDITOR
from shared.core.errors import Malformed, NotFound, Unreachable
from shared.core.names import LeaseId, ObjectId
from tests.fakes.callers import FakeSubjects
from tests.fakes.world import ADMINISTRATOR, GROUPS, OTHER_TENANT, TENANT, World, guid, request, role, world
from tests.support.rights import keep_auth_role, keep_policy

SUBJECT, CLIENT, SUBSCRIPTION = guid(0x500), guid(0x501), guid(0x22)
VM = f"/subscriptions/{SUBSCRIPTION}/resourcegroups/app/providers/Microsoft.Compute/virtualMachines/vm1"
OPERATOR = request(ADMINISTRATOR, "req-7")
CLAIMS = {"oid": SUBJECT, "appid": CLIENT}
ISSUING = ("roles/web/leases", "issue")
ASSUMED = (
    "the token is taken to be of the broker's own tenant, and in time",
    "groups and app roles are those of the directory now, whether or not a token names them",
)
OF_A_USER = (
    *ASSUMED,
    "a user's token is taken to have the scope access, whichever client has asked for it",
    "an app role of a group is taken to be a user's even if the user is in the group only through another group",
)


@pytest.fixture
def broker() -> World:
    """A broker with the role ``web``, and an auth role for the machines of a group, which may issue from it."""
    made = world(role())
    keep_policy(made, "machines", ("roles/web/leases", "issue"))
    keep_auth_role(
        made,
        "machines",
        "machines",
        bound_subscription_ids=[SUBSCRIPTION],
        bound_resource_groups=["app"],
        bound_locations=["uk"],
    )
    return made


async def ask(broker: World, path: str = "roles/web/leases", capability: Capability = "issue", **subject: Any) -> Answer:
    """The answer to a question of the operator's."""
    return await explain_to(broker.ports, OPERATOR, Question(path, capability, **subject))


def subjects(broker: World) -> FakeSubjects:
    """What the directory says of subjects."""
    found = broker.ports.subjects
    assert isinstance(found, FakeSubjects)
    return found


def recorded(broker: World) -> AuditEvent:
    """The one event."""
    (event,) = broker.audit.events
    return event


async def test_a_machine_is_looked_up_with_all_that_may_matter(broker: World) -> None:
    """Its principal, groups and app roles, and the location of its resource."""
    broker.callers.place(SUBJECT, VM, "uk")
    answer = await ask(broker, object_id=SUBJECT)
    assert "allowed" == answer.explanation.decision.outcome
    assert [("machines", "matched")] == [(each.name, each.word) for each in answer.explanation.auth_roles]
    assert ASSUMED == answer.assumed
    broker.callers.locations[VM] = "france"
    broker.clock.jump(3601)
    refused = (await ask(broker, object_id=SUBJECT)).explanation
    assert "denied" == refused.decision.outcome
    (failed,) = refused.auth_roles[0].failed
    assert ("bound_locations", ("uk",), ("france",)) == (failed.kind, failed.wanted, failed.has)


async def test_a_location_that_cannot_be_read_makes_it_unknown(broker: World) -> None:
    """As the gate would find it."""
    broker.callers.place(SUBJECT, VM, "uk")
    del broker.callers.locations[VM]
    explanation = (await ask(broker, object_id=SUBJECT)).explanation
    assert ("unknown", "unknown") == (explanation.decision.outcome, explanation.auth_roles[0].word)
    assert "Resource Manager" in explanation.auth_roles[0].why


async def test_a_user_is_no_application_whatever_its_client(broker: World) -> None:
    """Its groups and app roles are the directory's; which program it signs in through is not known."""
    broker.callers.memberships[SUBJECT] = frozenset({GROUPS[0]})
    subjects(broker).app_roles[SUBJECT] = frozenset({"Robot"})
    keep_auth_role(broker, "a-program", "machines", bound_application_ids=[CLIENT])
    keep_auth_role(broker, "staff", "machines", bound_group_ids=[GROUPS[0]], bound_app_roles=["Robot"])
    answer = await ask(broker, object_id=SUBJECT)
    assert {"a-program": "not matched", "machines": "not matched", "staff": "matched"} == {
        each.name: each.word for each in answer.explanation.auth_roles
    }
    assert OF_A_USER == answer.assumed


async def test_an_application_is_known_by_its_client_id(broker: World) -> None:
    """That is not its object id."""
    broker.callers.place(SUBJECT, VM, "uk")
    subjects(broker).clients[SUBJECT] = CLIENT
    keep_auth_role(broker, "a-program", "machines", bound_application_ids=[CLIENT])
    keep_auth_role(broker, "another", "machines", bound_application_ids=[SUBJECT])
    answer = await ask(broker, object_id=SUBJECT)
    assert {"a-program": "matched", "another": "not matched", "machines": "matched"} == {
        each.name: each.word for each in answer.explanation.auth_roles
    }


@pytest.mark.parametrize(("app_role", "path", "capability"), [(ADMIN, "sweep", "write"), (AUDITOR, "audit", "read")])
async def test_an_app_role_of_the_subject_decides(broker: World, app_role: str, path: str, capability: Capability) -> None:
    """As it would with a token that names it."""
    broker.callers.memberships[SUBJECT] = frozenset()
    assert "denied" == (await ask(broker, path, capability, object_id=SUBJECT)).explanation.decision.outcome
    subjects(broker).app_roles[SUBJECT] = frozenset({app_role})
    assert "allowed" == (await ask(broker, path, capability, object_id=SUBJECT)).explanation.decision.outcome


async def test_the_roles_own_bounds_are_explained_where_it_is_issued_from(broker: World) -> None:
    """And nowhere else."""
    broker.callers.place(SUBJECT, VM, "france")
    explanation = (await ask(broker, object_id=SUBJECT)).explanation
    assert explanation.inline is not None
    assert ("not matched", ["bound_service_principal_ids"]) == (
        explanation.inline.word,
        [each.kind for each in explanation.inline.failed],
    )
    assert None is (await ask(broker, "roles/web/leases", "revoke", object_id=SUBJECT)).explanation.inline
    assert None is (await ask(broker, "roles/web", "read", object_id=SUBJECT)).explanation.inline


async def test_a_lease_is_taken_to_be_anothers(broker: World) -> None:
    """What its holder may do, no policy says."""
    answer = await ask(broker, "leases/web.1", "read", claims=CLAIMS)
    assert ("denied", ("the lease is taken to be another's: a holder reads and revokes its own",)) == (
        answer.explanation.decision.outcome,
        answer.assumed,
    )


@pytest.mark.parametrize("made", [SUBJECT, CLIENT])
async def test_a_principal_that_a_lease_has_made_may_nothing(broker: World, made: ObjectId) -> None:
    """Whatever matches it: the broker refuses it before it asks any policy."""
    keep_auth_role(broker, "all", "machines", bound_service_principal_ids=[SUBJECT])
    assert "allowed" == (await ask(broker, claims=CLAIMS)).explanation.decision.outcome
    broker.leased.rows[made] = LeaseId("web.00000000000000000000000001")
    decision = (await ask(broker, claims=CLAIMS)).explanation.decision
    assert ("denied", None) == (decision.outcome, decision.by)
    assert "the lease web.00000000000000000000000001 has made it: such a principal is never a caller" == decision.why


async def test_of_claims_alone_the_directory_is_asked_for_what_is_needed(broker: World) -> None:
    """As for a caller with such a token. What its own ``directory`` says is believed, and nobody is asked."""
    broker.callers.place(SUBJECT, VM, "uk")
    assert "allowed" == (await ask(broker, claims=CLAIMS)).explanation.decision.outcome
    assert ["graph.principal", "arm.location"] == [each for each in broker.calls.names() if each.startswith(("graph", "arm"))]
    broker.calls.made.clear()
    facts = facts_from({"servicePrincipalType": "ManagedIdentity", "alternativeNames": [VM], "location": "france"})
    assert "denied" == (await ask(broker, claims=CLAIMS, facts=facts)).explanation.decision.outcome
    assert [] == [each for each in broker.calls.names() if each.startswith(("graph", "arm"))]


async def test_of_claims_of_another_tenant_no_resource_is_known(broker: World) -> None:
    """And the record says which tenant was asked about."""
    broker.callers.place(SUBJECT, VM, "uk")
    answer = await ask(broker, claims={**CLAIMS, "tid": OTHER_TENANT})
    assert "denied" == answer.explanation.decision.outcome
    assert f"issue roles/web/leases for {SUBJECT} of {OTHER_TENANT}: denied" == recorded(broker).reason


async def test_while_the_directory_is_down_a_subject_cannot_be_looked_up(broker: World) -> None:
    """That is not to say that there is none. Of claims, what is needed is unknown."""
    broker.calls.fail("graph.subject", Unreachable("nobody answers"))
    with pytest.raises(Unreachable):
        await ask(broker, object_id=SUBJECT)
    broker.callers.trouble = "down"
    assert "unknown" == (await ask(broker, claims=CLAIMS)).explanation.decision.outcome


async def test_the_record_says_who_asked_about_whom(broker: World) -> None:
    """And what, and how it was answered."""
    broker.callers.place(SUBJECT, VM, "uk")
    await ask(broker, object_id=SUBJECT)
    event = recorded(broker)
    assert ("explain", "done", "req-7", "web") == (event.operation, event.outcome, event.request_id, event.role)
    assert (ADMINISTRATOR, f"issue roles/web/leases for {SUBJECT} of {TENANT}: allowed") == (event.caller, event.reason)


@pytest.mark.parametrize(
    ("path", "capability", "code"),
    [
        ("roles/nope/leases", "issue", "role_not_found"),
        ("roles/NOPE/leases", "issue", "role_not_found"),
        ("roles/nope/leases", "revoke", "role_not_found"),
        ("roles/nope", "read", "role_not_found"),
        ("roles/nope", "write", "role_not_found"),
        ("auth-roles/nope", "delete", "auth_role_not_found"),
        ("policies/nope", "write", "policy_not_found"),
    ],
)
async def test_an_unknown_document_is_not_found(broker: World, path: str, capability: Capability, code: str) -> None:
    """An operator may know which there are. What was asked stands in the refusal's record."""
    with pytest.raises(NotFound) as refused:
        await ask(broker, path, capability, claims=CLAIMS)
    assert (code, f"{capability} {path}") == (refused.value.stable_code, refused.value.audit_reason)


@pytest.mark.parametrize(
    ("path", "capability"),
    [("roles/web/leases", "revoke"), ("roles/web", "write"), ("auth-roles/machines", "read"), ("policies/machines", "delete")],
)
async def test_a_document_that_is_there_may_be_asked_about(broker: World, path: str, capability: Capability) -> None:
    """Whatever the call."""
    assert "denied" == (await ask(broker, path, capability, claims=CLAIMS)).explanation.decision.outcome


async def test_an_unknown_subject_is_not_found(broker: World) -> None:
    """Neither a service principal nor a user."""
    with pytest.raises(NotFound) as refused:
        await ask(broker, object_id=SUBJECT)
    assert ("subject_not_found", f"issue roles/web/leases for {SUBJECT}") == (
        refused.value.stable_code,
        refused.value.audit_reason,
    )
    assert [] == broker.audit.events


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({}, "it has no oid claim"),
        ({"oid": SUBJECT}, "does not say which client"),
        ({"oid": SUBJECT, "appid": CLIENT, "azp": SUBJECT}, "two different clients"),
        ({**CLAIMS, "scp": "openid"}, "does not carry the scope access"),
        ({**CLAIMS, "idtyp": "device"}, "neither a user's"),
        ({**CLAIMS, "tid": "home"}, "the tid claim is no GUID"),
    ],
)
async def test_claims_that_no_token_may_have_are_a_fault(broker: World, claims: dict[str, Any], why: str) -> None:
    """A caller with such a token would not come as far as a decision."""
    with pytest.raises(Malformed) as refused:
        await ask(broker, claims=claims)
    (fault,) = refused.value.faults
    assert ("claims", True) == (fault.path, why in fault.message), fault.message


async def test_a_change_counts_at_once(broker: World) -> None:
    """On another worker too, whose callers may still be judged by the former documents for a while."""
    worker = broker.coworker()
    await ask(worker, claims=CLAIMS)
    keep_auth_role(broker, "all", "machines", bound_service_principal_ids=[SUBJECT])
    await broker.access.touch()
    assert "allowed" == (await ask(worker, claims=CLAIMS)).explanation.decision.outcome


async def test_a_hundred_auth_roles_are_shown_those_that_matter_first(broker: World) -> None:
    """Those that match, that are unknown, whose policies speak of the path, and then by name."""
    keep_policy(broker, "closed", ("roles/web/leases", "deny"))
    keep_policy(broker, "other", ("status", "read"))
    for number in range(98):
        keep_auth_role(broker, f"a{number:03}", "other", bound_group_ids=[GROUPS[0]])
    keep_auth_role(broker, "speaks", "closed", bound_group_ids=[GROUPS[0]])
    keep_auth_role(broker, "zz-matches", "other", bound_service_principal_ids=[SUBJECT])
    keep_auth_role(broker, "zz-unknown", "other", bound_locations=["uk"])
    facts = facts_from({"servicePrincipalType": "ManagedIdentity", "alternativeNames": [VM]})
    explanation = (await ask(broker, claims=CLAIMS, facts=facts)).explanation
    names = [each.name for each in explanation.auth_roles]
    assert (100, 2) == (len(names), explanation.left_out)
    assert ["zz-matches", "machines", "zz-unknown", "speaks", "a000", "a001"] == names[:6]
    assert "a095" == names[-1]
