"""An event rule: which events of Azure's, and what the broker does then, with the rights of the rule's writer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.core.access.folding import fold
from shared.core.errors import Fault, Malformed
from shared.core.events.action import OF_HOLDER, Action, Issuing, Revoking, read_action, write_action
from shared.core.events.event import DELETED, WRITTEN, Event
from shared.core.events.lender import Lender, restore_lender, write_lender
from shared.core.events.subject import FEEDING, FeedsItself, Source, SubjectPattern
from shared.core.forms import EVENT_RULE, PROPERTY
from shared.core.names import Unparsable
from shared.core.parsing import Reader, text_item

MAX_TYPES, MAX_OPERATIONS = 8, 16
DEFAULT_PER_HOUR, MOST_PER_HOUR = 60, 1000
VERIFY = ("azure", "none")
type Verify = Literal["azure", "none"]
_MICROSOFT = "microsoft."
_TOP_RESOURCE = 8
"""Segments of the id of a resource that lies in no other one."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a rule says."""

    source: Source
    types: tuple[str, ...]
    subject: SubjectPattern
    action: Action
    operations: tuple[str, ...] = ()
    verify: Verify = "azure"
    max_per_hour: int = DEFAULT_PER_HOUR
    enabled: bool = True
    description: str = ""

    def speaks_of(self, event: Event) -> bool:
        """Returns whether the rule is about the event. Whether it is true is another question."""
        return (
            self.source.covers(event.source)
            and fold(event.type) in map(fold, self.types)
            and (not self.operations or fold(event.operation) in map(fold, self.operations))
            and self.subject.matches(event.subject)
        )


@dataclass(frozen=True, slots=True)
class EventRule:
    """An event rule. ``version`` is the stored row's ETag. ``lender`` is its writer, with whose rights it acts.

    ``faults``: the rules of today that a stored one breaks. Then there are no ``terms``, nothing is done by it, and
    ``document`` is what stands in storage.
    """

    name: str
    terms: Terms | None
    lender: Lender | None = None
    version: str = ""
    faults: tuple[Fault, ...] = ()
    document: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def acts(self) -> bool:
        """Whether anything may be done by it."""
        return self.terms is not None and self.terms.enabled and self.lender is not None

    @property
    def issues(self) -> Issuing | None:
        """What it issues, if it does."""
        return self.terms.action if self.terms is not None and isinstance(self.terms.action, Issuing) else None

    @property
    def ends_by_holder(self) -> bool:
        """Whether it may act, and revokes what the identity of a resource holds."""
        return self.acts and self.revokes is not None and self.revokes.of == OF_HOLDER

    @property
    def revokes(self) -> Revoking | None:
        """What it revokes, if it does."""
        return self.terms.action if self.terms is not None and isinstance(self.terms.action, Revoking) else None


def read_event_rule(name: str, document: Any, lender: Lender | None = None) -> EventRule:
    """Reads a rule that a caller has written. Raises ``Malformed`` with all faults.

    Its code is ``rule_feeds_itself`` or ``unverifiable_type`` if all faults are of that kind.
    """
    reading = _Reading(Reader(document))
    terms = reading.terms()
    reading.refuse()
    if terms is None:  # a field that is required has a fault
        raise Malformed(Fault("", "cannot be read"))
    return EventRule(name, terms, lender)


def write_event_rule(rule: EventRule) -> dict[str, Any]:
    """Returns the public document: without the lender."""
    terms = rule.terms
    if terms is None:
        return dict(rule.document)
    return {
        "source": terms.source.text,
        "types": [*terms.types],
        **({"operations": [*terms.operations]} if terms.operations else {}),
        "subject": terms.subject.text,
        "verify": terms.verify,
        "max_per_hour": terms.max_per_hour,
        "enabled": terms.enabled,
        **({"description": terms.description} if terms.description else {}),
        "action": write_action(terms.action),
    }


def store_event_rule(rule: EventRule) -> dict[str, Any]:
    """Returns what is stored: the document, and beside it the lender."""
    lender = {"lender": write_lender(rule.lender)} if rule.lender is not None else {}
    return {"document": write_event_rule(rule), **lender}


def restore_event_rule(name: str, stored: Any, version: str, form: int = EVENT_RULE.written) -> EventRule:
    """Returns a stored rule. Raises nothing. If it breaks a rule of today, or has no lender, ``faults`` says so."""
    if not EVENT_RULE.knows({PROPERTY: form}):
        return EventRule(name, None, version=version, faults=(EVENT_RULE.fault_of(form),))
    content = stored if isinstance(stored, Mapping) else {}
    document, lender = content.get("document"), restore_lender(content.get("lender"))
    as_written = document if isinstance(document, dict) else {}
    try:
        found = read_event_rule(name, document)
    except Malformed as malformed:
        return EventRule(name, None, lender, version, malformed.faults, as_written)
    if lender is None:
        fault = Fault("", "nobody lends it a right: what is stored of its writer cannot be read")
        return EventRule(name, None, None, version, (fault,), as_written)
    return EventRule(name, found.terms, lender, version)


class _Reading:
    """Reads the terms of one rule, and keeps the faults apart that have a code of their own."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._coded: dict[Fault, str] = {}

    def refuse(self) -> None:
        """Raises ``Malformed`` if there is a fault."""
        self._reader.done()
        faults = self._reader.faults
        if faults:
            codes = {self._coded.get(fault) for fault in faults}
            raise Malformed(*faults, code=codes.pop() if len(codes) == 1 else None)

    def terms(self) -> Terms | None:
        """Returns the terms, if they could be read."""
        reader = self._reader
        source = reader.parsed("source", Source.parse, required=True)
        types = self._names("types", MAX_TYPES, required=True)
        operations = self._names("operations", MAX_OPERATIONS)
        verify: Verify = "none" if reader.choice("verify", VERIFY, default="azure") == "none" else "azure"
        action = read_action(reader)
        subject = self._subject(verify, action)
        per_hour = reader.whole("max_per_hour", least=1, most=MOST_PER_HOUR)
        enabled = reader.flag("enabled", default=True)
        description = reader.text("description", longest=1024, lines=True) or ""
        if action is not None:
            self._judge_types(types, verify, action)
            self._judge_action(verify, subject, action)
        self._judge_operations(operations)
        if source is None or subject is None or action is None or not types:
            return None
        hourly = per_hour if per_hour is not None else DEFAULT_PER_HOUR
        return Terms(source, types, subject, action, operations, verify, hourly, enabled, description)

    def _fault(self, field: str, message: str, *, code: str = "") -> None:
        self._reader.fault(field, message)
        if code:
            self._coded[self._reader.faults[-1]] = code

    def _names(self, field: str, most: int, *, required: bool = False) -> tuple[str, ...]:
        found = self._reader.items(field, _exact, most=most, required=required)
        return tuple({fold(each): each for each in reversed(found)}.values())[::-1]

    def _subject(self, verify: Verify, action: Action | None) -> SubjectPattern | None:
        text = self._reader.text("subject", required=True, longest=2048)
        if text is None:
            return None
        try:
            if verify == "none":
                return SubjectPattern.parse(text)
            of_holders = isinstance(action, Revoking) and action.of == OF_HOLDER
            return SubjectPattern.of_holders(text) if of_holders else SubjectPattern.of_resources(text)
        except FeedsItself as fed:
            self._fault("subject", str(fed), code="rule_feeds_itself")
        except Unparsable as wrong:
            self._fault("subject", str(wrong))
        return None

    def _judge_types(self, types: tuple[str, ...], verify: Verify, action: Action) -> None:
        wanted = WRITTEN if isinstance(action, Issuing) else DELETED
        for place, each in enumerate(types):
            path, folded = f"types[{place}]", fold(each)
            if folded.startswith("microsoft.keyvault.") and isinstance(action, Issuing):
                self._fault(path, "a secret that is delivered would make such an event", code="rule_feeds_itself")
            elif verify == "azure" and folded != wanted:
                verb = "issue" if isinstance(action, Issuing) else "revoke"
                name = "ResourceWriteSuccess" if isinstance(action, Issuing) else "ResourceDeleteSuccess"
                message = f"to {verb}, only Microsoft.Resources.{name} can be verified by a look at the resource"
                self._fault(path, message, code="unverifiable_type")
            elif verify == "none" and folded.startswith(_MICROSOFT):
                message = "is a type of Azure's own services: verify: none is for the types of others alone"
                self._fault(path, message, code="unverifiable_type")

    def _judge_operations(self, operations: tuple[str, ...]) -> None:
        for place, each in enumerate(operations):
            if fold(each).partition("/")[0] in FEEDING:
                self._fault(
                    f"operations[{place}]", "what the broker writes for leases would make such events", code="rule_feeds_itself"
                )

    def _judge_action(self, verify: Verify, subject: SubjectPattern | None, action: Action) -> None:
        if isinstance(action, Revoking):
            if verify == "none":
                self._fault("verify", "nothing is revoked by an event that nobody can verify")
            return
        if verify == "none" and action.holder is None:
            self._fault("action.issue.holder", "of a subject that nobody verifies nothing is read: name an object id")
        if verify == "none" and action.rotate:
            self._fault("action.issue.rotate", "of a subject that nobody verifies, nobody can say that it is still there")
        if verify == "none" and action.references:
            self._fault("action.issue", "a subject that nobody verifies fills nothing: give literal values")
        elif subject is not None and "subject.resource_name" in action.references and len(subject.segments) != _TOP_RESOURCE:
            self._fault("action.issue.parameters", "subject.resource_name is that of a top resource alone")


def _exact(value: Any, path: str, faults: list[Fault]) -> str | None:
    text = text_item(value, path, faults)
    if text is not None and "*" in text:
        faults.append(Fault(path, "is named whole: * stands in a subject alone"))
        return None
    return text


def matching(rules: tuple[EventRule, ...], event: Event) -> Iterator[EventRule]:
    """Yields the rules that speak of the event and may act, in the order of their names."""
    for rule in sorted(rules, key=lambda each: each.name):
        if rule.acts and rule.terms is not None and rule.terms.speaks_of(event):
            yield rule


def same(one: EventRule, other: EventRule) -> bool:
    """Returns whether the same is stored of both."""
    return json.dumps(store_event_rule(one), sort_keys=True) == json.dumps(store_event_rule(other), sort_keys=True)
