"""The store of event rules, on Table Storage, in a partition of the table ``roles``."""

from __future__ import annotations

from dataclasses import replace

from azure.data.tables.aio import TableServiceClient

from shared.cloud.storage.document_table import DocumentType, TableDocuments
from shared.core.events.event_rule import EventRule, restore_event_rule, store_event_rule
from shared.core.forms import EVENT_RULE
from shared.core.ports.system import Ids

EVENT_RULES = DocumentType[EventRule](
    partition="event-rule",
    form=EVENT_RULE,
    name_of=lambda rule: rule.name,
    store=store_event_rule,
    restore=restore_event_rule,
    with_version=lambda rule, version: replace(rule, version=version),
)
"""How event rules are stored."""


class TableEventRules(TableDocuments[EventRule]):
    """Satisfies ``EventRules``."""

    def __init__(self, service: TableServiceClient, ids: Ids, name: str = "roles") -> None:
        super().__init__(service, ids, EVENT_RULES, name)
