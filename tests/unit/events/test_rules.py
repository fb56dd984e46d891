"""Event rules: what may be written, and which events they speak of."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.access.check import check
from shared.core.errors import Malformed
from shared.core.events.event import Event
from shared.core.events.event_rule import (
    matching,
    read_event_rule,
    restore_event_rule,
    store_event_rule,
    write_event_rule,
)
from shared.core.events.lender import Lender
from tests.fakes.clock import START
from tests.fakes.world import ADMINISTRATOR, ALICE, guid

SUB = "/subscriptions/00000002-0000-4000-8000-000000000000"
GROUP = f"{SUB}/resourceGroups/app"
SITES = f"{GROUP}/providers/Microsoft.Web/sites"
WRITTEN, DELETED = "Microsoft.Resources.ResourceWriteSuccess", "Microsoft.Resources.ResourceDeleteSuccess"
HOLDER = guid(0x700)
ISSUE: dict[str, Any] = {"issue": {"role": "jit", "holder": "subject_identity"}}
REVOKE: dict[str, Any] = {"revoke": {"of": "scope"}}
FEEDS, UNVERIFIABLE, BAD = "rule_feeds_itself", "unverifiable_type", "malformed"


def rule(**changes: Any) -> dict[str, Any]:
    """A rule that may be written, with these changes. ``None`` takes a field away."""
    document = {"source": GROUP, "types": [WRITTEN], "subject": f"{SITES}/*", "action": ISSUE} | changes
    return {name: value for name, value in document.items() if value is not None}


def on(chain: str) -> dict[str, Any]:
    """A rule whose subject is that, in the group."""
    return rule(subject=f"{GROUP}{chain}")


def of_holder(chain: str, group: str = "app") -> dict[str, Any]:
    """A rule that revokes what the identities of these resources hold."""
    return rule(types=[DELETED], subject=f"{SUB}/resourceGroups/{group}{chain}", action={"revoke": {"of": "holder"}})


def open_rule(**changes: Any) -> dict[str, Any]:
    """A rule about events that nobody verifies."""
    action = {"issue": {"role": "jit", "holder": HOLDER}}
    return rule(**{"types": ["Ours.Made"], "verify": "none", "subject": "/things/*", "action": action} | changes)


def issuing(**fields: Any) -> dict[str, Any]:
    """A rule that issues with these fields."""
    return rule(action={"issue": {**ISSUE["issue"], **fields}})


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    # the provider chain: what the broker itself writes
    "no provider": (rule(subject=GROUP), FEEDS, "subject"),
    "any resource of the group": (on("/*"), FEEDS, "subject"),
    "all of the group": (on("/*/*"), FEEDS, "subject"),
    "an assignment": (on("/providers/Microsoft.Authorization/roleAssignments/*"), FEEDS, "subject"),
    "an assignment in another case": (on("/providers/MICROSOFT.AUTHORIZATION/roleAssignments/*"), FEEDS, "subject"),
    "an assignment at a site": (on("/providers/Microsoft.Web/sites/a/providers/Microsoft.Authorization/x/*"), FEEDS, "subject"),
    "an assignment below a slot": (
        on("/providers/Microsoft.Web/sites/*/slots/*/providers/microsoft.authorization/roleassignments/*"),
        FEEDS,
        "subject",
    ),
    "an identity": (on("/providers/Microsoft.ManagedIdentity/userAssignedIdentities/*"), FEEDS, "subject"),
    "a federated credential": (
        on("/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a/federatedIdentityCredentials/*"),
        FEEDS,
        "subject",
    ),
    "a vault": (on("/providers/Microsoft.KeyVault/vaults/*"), FEEDS, "subject"),
    "a secret": (on("/providers/Microsoft.KeyVault/vaults/a/secrets/*"), FEEDS, "subject"),
    "a deletion of assignments": (
        rule(types=[DELETED], action=REVOKE, subject=f"{GROUP}/providers/Microsoft.Authorization/roleAssignments/*"),
        FEEDS,
        "subject",
    ),
    "identities, by scope": (
        rule(types=[DELETED], action=REVOKE, subject=f"{GROUP}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/*"),
        FEEDS,
        "subject",
    ),
    "what lies in an identity, by holder": (
        of_holder("/providers/Microsoft.ManagedIdentity/userAssignedIdentities/a/federatedIdentityCredentials/*"),
        FEEDS,
        "subject",
    ),
    "identities of every group, by holder": (
        of_holder("/providers/Microsoft.ManagedIdentity/userAssignedIdentities/*", group="*"),
        BAD,
        "subject",
    ),
    "assignments, by holder": (of_holder("/providers/Microsoft.Authorization/policyAssignments/*"), FEEDS, "subject"),
    "an operation on assignments": (rule(operations=["Microsoft.Authorization/roleAssignments/write"]), FEEDS, "operations[0]"),
    "an operation on vaults": (rule(operations=["microsoft.keyvault/vaults/secrets/write"]), FEEDS, "operations[0]"),
    "an expiring secret": (rule(types=["Microsoft.KeyVault.SecretNearExpiry"]), FEEDS, "types[0]"),
    "a new version of a secret": (rule(types=["microsoft.keyvault.SECRETNEWVERSIONCREATED"]), FEEDS, "types[0]"),
    "an expiring secret, unverified": (open_rule(types=["Microsoft.KeyVault.SecretExpired"]), FEEDS, "types[0]"),
    # the place of a star
    "a star for the subscription": (rule(subject="/subscriptions/*/resourceGroups/app/providers/M.W/s/*"), BAD, "subject"),
    "a star for the group": (rule(subject=f"{SUB}/resourceGroups/*/providers/M.W/s/*"), BAD, "subject"),
    "a star for the provider": (on("/providers/*/sites/*"), BAD, "subject"),
    "a star for the type": (on("/providers/Microsoft.Web/*/a"), BAD, "subject"),
    "a star for a nested type": (on("/providers/Microsoft.Web/sites/a/*/b"), BAD, "subject"),
    "a star for a word": (on("/*/Microsoft.Web/sites/a"), FEEDS, "subject"),
    "a part of a segment": (on("/providers/Microsoft.Web/sites/app-*"), BAD, "subject"),
    "two stars in a segment": (on("/providers/Microsoft.Web/sites/**"), BAD, "subject"),
    "a bare star": (rule(subject="*"), BAD, "subject"),
    "stars alone": (open_rule(subject="/*/*"), BAD, "subject"),
    # the form of a subject
    "a type without a name": (on("/providers/Microsoft.Web/sites"), BAD, "subject"),
    "a provider without a type": (on("/providers/Microsoft.Web"), BAD, "subject"),
    "a subscription": (rule(subject=SUB), BAD, "subject"),
    "a resource of the subscription": (rule(subject=f"{SUB}/providers/Microsoft.Web/sites/a"), BAD, "subject"),
    "a provider behind half a resource": (on("/providers/Microsoft.Web/sites/providers/M.X/y/z"), BAD, "subject"),
    "no slash at the beginning": (rule(subject=SITES[1:]), BAD, "subject"),
    "a slash at the end": (rule(subject=f"{SITES}/a/"), BAD, "subject"),
    "an empty segment": (rule(subject=f"{SITES}//a"), BAD, "subject"),
    "a way up": (rule(subject=f"{SITES}/.."), BAD, "subject"),
    "percent-encoded": (rule(subject=f"{SITES}/%2e%2e"), BAD, "subject"),
    "a question mark": (rule(subject=f"{SITES}/a?b"), BAD, "subject"),
    "invisible": (rule(subject=f"{SITES}/a\u200b"), BAD, "subject"),
    "no text": (rule(subject=7), BAD, "subject"),
    # sources
    "a star in the source": (rule(source="/subscriptions/*"), BAD, "source"),
    "a source with an end": (rule(source=f"{GROUP}/"), BAD, "source"),
    "no source": (rule(source=None), BAD, "source"),
    # types and verification
    "no types": (rule(types=[]), BAD, "types"),
    "nine types": (rule(types=[WRITTEN] * 9), BAD, "types"),
    "a star in a type": (rule(types=["Microsoft.Resources.*"]), BAD, "types[0]"),
    "a failure": (rule(types=["Microsoft.Resources.ResourceWriteFailure"]), UNVERIFIABLE, "types[0]"),
    "a deletion that issues": (rule(types=[DELETED]), UNVERIFIABLE, "types[0]"),
    "a write that revokes": (rule(action=REVOKE), UNVERIFIABLE, "types[0]"),
    "another's type": (rule(types=["Ours.Made"]), UNVERIFIABLE, "types[0]"),
    "Azure's own type, unverified": (open_rule(types=[WRITTEN]), UNVERIFIABLE, "types[0]"),
    "an unverified revocation": (open_rule(action=REVOKE), BAD, "verify"),
    "an unverified identity": (open_rule(action=ISSUE), BAD, "action.issue.holder"),
    "an unverified name": (
        open_rule(action={"issue": {"role": "jit", "holder": HOLDER, "parameters": {"x": "subject.resource_name"}}}),
        BAD,
        "action.issue",
    ),
    "an unverified rotation": (
        open_rule(action={"issue": {"role": "jit", "holder": HOLDER, "rotate": True}}),
        BAD,
        "action.issue.rotate",
    ),
    # the action
    "no action": (rule(action=None), BAD, "action"),
    "two actions": (rule(action={**ISSUE, **REVOKE}), BAD, "action"),
    "an empty action": (rule(action={}), BAD, "action"),
    "no holder": (rule(action={"issue": {"role": "jit"}}), BAD, "action.issue.holder"),
    "a holder's name": (issuing(holder="alice"), BAD, "action.issue.holder"),
    "an unknown reference": (issuing(parameters={"x": "subject.location"}), BAD, "action.issue.parameters.x"),
    "no vault's address": (issuing(delivery={"vault": "kv-app"}), BAD, "action.issue.delivery.vault"),
    "a rotation in words": (issuing(rotate="yes"), BAD, "action.issue.rotate"),
    "no rule's name": (rule(types=[DELETED], action={"revoke": {"of": "rule:"}}), BAD, "action.revoke.of"),
    "everything": (rule(types=[DELETED], action={"revoke": {"of": "all"}}), BAD, "action.revoke.of"),
    "too many an hour": (rule(max_per_hour=1001), BAD, "max_per_hour"),
    "none an hour": (rule(max_per_hour=0), BAD, "max_per_hour"),
    "an unknown field": (rule(lender={}), BAD, "lender"),
}
"""More than sixty rules that nobody may write: the document, the code, and the path of its fault."""


@pytest.mark.parametrize(("document", "code", "path"), REFUSED.values(), ids=REFUSED)
def test_what_no_rule_may_say_is_refused(document: dict[str, Any], code: str, path: str) -> None:
    """With the place, and a code of its own where the rule would feed itself, or nobody could verify its events."""
    with pytest.raises(Malformed) as refused:
        read_event_rule("r", document)
    assert (code, [path]) == (refused.value.stable_code, list(dict.fromkeys(each.path for each in refused.value.faults)))


def test_the_table_has_sixty_rows() -> None:
    """As the contract wants."""
    assert len(REFUSED) >= 60


def test_faults_of_several_kinds_have_no_code_of_their_own() -> None:
    """A caller that mends what the code says would meet the others next."""
    with pytest.raises(Malformed) as refused:
        read_event_rule("r", rule(types=["Ours.Made"], max_per_hour=0))
    assert "malformed" == refused.value.stable_code


TAKEN = {
    "the least": rule(),
    "an exact resource": rule(subject=f"{SITES}/web"),
    "a slot": on("/providers/Microsoft.Web/sites/*/slots/*"),
    "an extension": on("/providers/Microsoft.Web/sites/a/providers/Microsoft.Insights/diagnosticSettings/*"),
    "all of it": rule(
        operations=["Microsoft.Web/sites/write"],
        verify="azure",
        max_per_hour=1000,
        enabled=False,
        description="Two\nlines",
        action={
            "issue": {
                "role": "jit",
                "ttl": 3600,
                "holder": HOLDER,
                "delivery": {"vault": "https://kv-app.vault.azure.net"},
                "parameters": {"group": "subject.resource_group", "name": "subject.resource_name", "x": "literal"},
                "within": "subject.id",
                "rotate": True,
            }
        },
    ),
    "revokes of a rule": rule(types=[DELETED], action={"revoke": {"of": "rule:web-apps"}}),
    "revokes by scope": rule(types=[DELETED], action={"revoke": {"of": "scope"}}),
    "revokes by holder": of_holder("/providers/Microsoft.Web/sites/*"),
    "revokes what user-assigned identities hold": of_holder("/providers/Microsoft.ManagedIdentity/userAssignedIdentities/*"),
    "unverified": open_rule(source="ours.example"),
}


@pytest.mark.parametrize("document", TAKEN.values(), ids=TAKEN)
def test_a_rule_reads_back_as_it_was_written(document: dict[str, Any]) -> None:
    """From the public document, and from storage with its writer."""
    read = read_event_rule("r", document, Lender.of(ALICE))
    assert document.items() <= write_event_rule(read).items()
    assert read == read_event_rule("r", write_event_rule(read), Lender.of(ALICE))
    assert read == restore_event_rule("r", store_event_rule(read), "")


def event(**changes: Any) -> Event:
    """An event of which the least rule speaks."""
    fields: dict[str, Any] = {"id": "1", "source": GROUP, "type": WRITTEN, "subject": f"{SITES}/web", "time": ""}
    return Event(**{**fields, "first_seen": START, "operation": "Microsoft.Web/sites/write", **changes})


SPEAKS: dict[str, tuple[dict[str, Any], Event, bool]] = {
    "itself": (rule(), event(), True),
    "another case": (rule(), event(subject=f"{SITES}/web".upper(), source=GROUP.lower(), type=WRITTEN.lower()), True),
    "a source below": (rule(source=SUB), event(), True),
    "a source that only begins alike": (rule(source=f"{SUB}/resourceGroups/ap"), event(), False),
    "a source above": (rule(), event(source=SUB), False),
    "another type": (rule(), event(type=DELETED), False),
    "an operation": (rule(operations=["microsoft.web/SITES/write"]), event(), True),
    "another operation": (rule(operations=["Microsoft.Web/sites/delete"]), event(), False),
    "no operation": (rule(operations=["Microsoft.Web/sites/write"]), event(operation=""), False),
    "another group": (rule(), event(subject=f"{SITES}/web".replace("/app/", "/app-2/")), False),
    "something above": (rule(), event(subject=SITES), False),
    "something below": (rule(), event(subject=f"{SITES}/web/slots/a"), False),
    "an assignment there": (rule(), event(subject=f"{SITES}/web/providers/Microsoft.Authorization/x/y"), False),
    "an empty name": (rule(), event(subject=f"{SITES}/"), False),
    "a way up": (rule(), event(subject=f"{SITES}/.."), False),
    "no path": (rule(), event(subject=f"{SITES}/web"[1:]), False),
    "no subject": (rule(), event(subject=""), False),
}


@pytest.mark.parametrize(("document", "given", "expected"), SPEAKS.values(), ids=SPEAKS)
def test_a_rule_speaks_of_what_its_patterns_say(document: dict[str, Any], given: Event, *, expected: bool) -> None:
    """Segment by segment, whatever the case; a star is one segment and no more."""
    read = read_event_rule("r", document, Lender.of(ALICE))
    assert expected == (read.terms is not None and read.terms.speaks_of(given))


def test_rules_act_in_the_order_of_their_names() -> None:
    """One that is switched off, or has no lender, does not act at all."""
    named = {name: read_event_rule(name, rule(), Lender.of(ADMINISTRATOR)) for name in ("b", "a")}
    off = read_event_rule("c", rule(enabled=False), Lender.of(ADMINISTRATOR))
    nobodys = read_event_rule("d", rule())
    assert ["a", "b"] == [each.name for each in matching((*named.values(), off, nobodys), event())]


@pytest.mark.parametrize("stored", [None, {}, {"document": rule()}, {"document": rule(types=[]), "lender": {}}])
def test_a_stored_rule_that_cannot_be_read_does_nothing(stored: Any) -> None:
    """It says why, and shows what stands there."""
    read = restore_event_rule("r", stored, "v")
    assert (None, False) == (read.terms, read.acts)
    assert read.faults
    assert (stored or {}).get("document", {}) == write_event_rule(read)


def test_a_rule_of_a_later_form_does_nothing() -> None:
    """Nobody knows what it says."""
    stored = store_event_rule(read_event_rule("r", rule(), Lender.of(ALICE)))
    assert not restore_event_rule("r", stored, "v", form=9).acts


def test_a_lender_is_the_caller_as_it_was_verified() -> None:
    """Nothing of its token is kept but what decides."""
    lent = Lender.of(ADMINISTRATOR).caller()
    assert (ADMINISTRATOR.object_id, ADMINISTRATOR.tenant_id, True, "") == (
        *(lent.object_id, lent.tenant_id, lent.is_admin),
        lent.token_fingerprint,
    )


def test_an_exported_rule_is_checked_without_a_broker() -> None:
    """As every other document is, by ``python -m shared.core.access.check``."""
    found = check({"form": 1, "event_rules": {"sites": rule(), "all": on("/*"), "No Name": rule()}}, None)
    assert {"event_rules.all.subject", "event_rules.No Name"} == {fault.path for fault in found}
