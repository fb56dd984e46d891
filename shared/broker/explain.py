"""Explains to an operator why somebody may or may not do something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from shared.broker.access import facts_of
from shared.broker.ports import Actor, Ports
from shared.core.access.asked import as_given
from shared.core.access.configuration import Configuration, Needs
from shared.core.access.decide import Decision
from shared.core.access.documents import caller_from
from shared.core.access.explanation import Explanation, explain
from shared.core.access.facts import NOT_ASKED, Facts
from shared.core.access.policy import Capability
from shared.core.caller import Caller, CallerType
from shared.core.errors import DirectoryUnavailable, Fault, Forbidden, Malformed, NotFound, Unauthenticated
from shared.core.names import ObjectId, RoleName, Unparsable
from shared.core.parameters.asked import presumed, read_values
from shared.core.parameters.parameter import needs_principal
from shared.core.parameters.source import facts_of as known_of
from shared.core.role import Role


@dataclass(frozen=True, slots=True)
class Question:
    """Whether a subject has the capability on the path. The subject is an object of the directory, or a token's claims.

    With ``claims``, ``facts`` says what the directory answers; ``None`` means that the directory is asked. ``parameters`` are
    the values of an ask to issue.
    """

    path: str
    capability: Capability
    object_id: ObjectId | None = None
    claims: dict[str, Any] | None = None
    facts: Facts | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def asked(self) -> str:
        """What is asked for: ``issue roles/web/leases``."""
        return f"{self.capability} {self.path}"


@dataclass(frozen=True, slots=True)
class Answer:
    """The explanation, and what was assumed of the subject because no token says it."""

    explanation: Explanation
    assumed: tuple[str, ...] = ()


async def explain_to(ports: Ports, actor: Actor, question: Question) -> Answer:
    """Returns the answer, and records who asked about whom.

    Raises ``NotFound`` if there is no such subject, or if the role, auth role or policy of the path is not there, ``Malformed``
    if no token has such claims, ``Upstream``.
    """
    configuration = await ports.access_view.current(fresh=True)
    _require_document(configuration, question)
    role = await _role(ports, question)
    assumed: tuple[str, ...] = ()
    if question.object_id is not None:
        caller, facts, assumed = await _subject(ports, configuration, question, question.object_id)
    else:
        caller = _claimed(ports, question.claims or {})
        facts = question.facts if question.facts is not None else await facts_of(ports, configuration, caller)
    inline = role.bounds if role is not None and question.capability == "issue" else None
    parameters = role.parameters if role is not None else ()
    if inline is not None and needs_principal(parameters) and facts.principal is NOT_ASKED:
        facts = replace(facts, principal=(await ports.directory.read(caller, Needs(principal=True))).principal)
    asked = presumed(parameters, question.parameters, known_of(caller, facts)) if role else as_given(question.parameters)
    found = explain(configuration, caller, facts, question.path, question.capability, inline, asked)
    lease_id = await ports.leased.find({caller.object_id, *((caller.app_id,) if caller.app_id else ())})
    if lease_id is not None:
        why = f"the lease {lease_id} has made it: such a principal is never a caller"
        found = replace(found, decision=Decision("denied", why=why))
    if role is not None and question.capability == "issue" and (wrong := _refused_for(ports, role, question, caller, facts)):
        assumed = (*assumed, f"the gate alone was asked: the request is refused for its parameters: {wrong}")
    if question.path.startswith("leases/"):
        assumed = (*assumed, "the lease is taken to be another's: a holder reads and revokes its own")
    reason = f"{question.asked} for {caller.object_id} of {caller.tenant_id}: {found.decision.outcome}"
    await ports.audit.record(actor.done(ports, "explain", role=role.name if role is not None else "", reason=reason))
    return Answer(found, assumed)


def _refused_for(ports: Ports, role: Role, question: Question, caller: Caller, facts: Facts) -> str:
    """Returns why the values of the question fill no hole, whoever asks. Empty if they do, or if a fact is unread."""
    try:
        read_values(role.parameters, ports.kinds.azure_roles(role), question.parameters, known_of(caller, facts))
    except (Malformed, Forbidden) as refused:
        return "; ".join(f"{fault.path}: {fault.message}" for fault in refused.faults)
    except DirectoryUnavailable:
        return ""
    return ""


def _require_document(configuration: Configuration, question: Question) -> None:
    """Raises ``NotFound`` if the path is that of an auth role or a policy that is not there."""
    match question.path.split("/"):
        case ["auth-roles", name] if configuration.auth_role(name) is None:
            raise NotFound(f"There is no auth role {name}.", code="auth_role_not_found", audit_reason=question.asked)
        case ["policies", name] if configuration.policy(name) is None:
            raise NotFound(f"There is no policy {name}.", code="policy_not_found", audit_reason=question.asked)
        case _:
            return


async def _role(ports: Ports, question: Question) -> Role | None:
    """Returns the role of the path, if it is that of a role or of its leases. Raises ``NotFound``."""
    match question.path.split("/"):
        case ["roles", name, *_]:
            try:
                role = await ports.roles.get(RoleName.parse(name))
            except Unparsable:
                role = None
            if role is None:
                raise NotFound(f"There is no role {name}.", code="role_not_found", audit_reason=question.asked)
            return role
        case _:
            return None


def _claimed(ports: Ports, claims: dict[str, Any]) -> Caller:
    try:
        return caller_from(claims, ports.home)
    except Unauthenticated as refused:
        raise Malformed(Fault("claims", f"no token of such claims is accepted: {refused.detail}")) from refused


async def _subject(
    ports: Ports, configuration: Configuration, question: Question, object_id: ObjectId
) -> tuple[Caller, Facts, tuple[str, ...]]:
    """Returns the caller that the object would be, as far as the directory tells."""
    subject = await ports.subjects.find(object_id)
    if subject is None:
        sentence = "The directory has no user and no service principal of this object id."
        raise NotFound(sentence, code="subject_not_found", audit_reason=f"{question.asked} for {object_id}")
    caller = Caller(
        object_id=object_id,
        tenant_id=ports.home,
        kind=CallerType.USER if subject.is_user else CallerType.APPLICATION,
        token_fingerprint="",
        app_id=subject.app_id,
        name=subject.name,
        app_roles=subject.app_roles,
        has_more_groups=True,
    )
    facts = Facts(subject.principal, subject.groups, NOT_ASKED)
    if subject.principal is not None and configuration.needs_location(caller, facts):
        facts = replace(facts, location=await ports.directory.location(caller, subject.principal))
    of_a_user = (
        "a user's token is taken to have the scope access, whichever client has asked for it",
        "an app role of a group is taken to be a user's even if the user is in the group only through another group",
    )
    return (
        caller,
        facts,
        (
            "the token is taken to be of the broker's own tenant, and in time",
            "groups and app roles are those of the directory now, whether or not a token names them",
            *(of_a_user if subject.is_user else ()),
        ),
    )
