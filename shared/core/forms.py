"""The forms of what is stored: each kind of row has a number for how it is written, in its property ``Form``.

A row without the number is of the first form. A row is written in the oldest form that can hold it, so that an older version of
the broker beside this one, or after it, can still read it.

A new field that has a default makes no new form. A form is new when a reader of the form before would misunderstand the row.
A row of a form that this version does not know is ``Unreadable``, and so is a row that is damaged. Nobody changes such a row,
and it keeps nobody from the other rows. docs/architecture.md, "Stored forms", says what it comes to, for each kind of row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from shared.core.errors import Fault, Unreadable

PROPERTY = "Form"
FIRST = 1


@dataclass(frozen=True, slots=True)
class StoredType:
    """One kind of row. This version reads its forms up to ``newest``, and writes ``written``.

    It writes a later form only if the row needs it.
    """

    name: str
    newest: int = FIRST
    written: int = FIRST

    @property
    def stamp(self) -> dict[str, int]:
        """Returns the property ``Form`` of a row that needs no later form than ``written``."""
        return self.stamp_of(self.written)

    def stamp_of(self, form: int) -> dict[str, int]:
        """Returns the property ``Form`` of a row that needs the given form."""
        return {PROPERTY: form}

    def knows(self, row: Mapping[str, Any]) -> bool:
        """Whether this version reads the form of the row."""
        return FIRST <= form_of(row) <= self.newest

    def fault_of(self, form: int) -> Fault:
        """Returns the fault of a document that is stored in a form that this version does not know."""
        return Fault("", f"is stored in form {form}, and this version of the broker reads up to form {self.newest}")

    @contextmanager
    def reading(self, row: Mapping[str, Any]) -> Iterator[None]:
        """Encloses the code that reads a row. Raises ``Unreadable`` if the form is not known, or if that code fails."""
        key = row.get("RowKey", "")
        if not self.knows(row):
            raise Unreadable(f"{self.name} {key} is of form {row[PROPERTY]!r}; this version reads up to {self.newest}")
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as damage:
            raise Unreadable(f"{self.name} {key} is damaged ({type(damage).__name__})") from damage


def form_of(row: Mapping[str, Any]) -> int:
    """Returns the form of a row. Returns 0, which no version reads, if the property is no number."""
    form = row.get(PROPERTY, FIRST)
    return form if isinstance(form, int) else 0


LEASE = StoredType("lease", newest=4, written=2)
"""A lease in the second form has index rows that sort by age. A lease in the first form has its index rows under other keys.

The third form is for leases that no earlier version knows: pooled, prepared, left to the queue of preparations, without a
holder, claimed from a pool, ending for a cause that only these have, or with several parts. The fourth form is for leases that
are due before their end, because an event is to tell that it is near, or their successor is to be issued: an earlier version
would end them. All other leases are written in the second form.
"""
LEASE_INDEX = StoredType("index row")
SCOPE_INDEX = StoredType("index row of a scope")
DUE = StoredType("due row")
OUTGOING_EVENT = StoredType("outgoing event")
PUBLISHED = StoredType("note of published events")
IDEMPOTENCY_KEY = StoredType("idempotency key", newest=2)
"""A key in the second form points to a lease in another partition, which may carry another key's digest. A version that knows
only the first form would take any lease that it finds there for the key's own.
"""
LEASED_PRINCIPAL = StoredType("leased principal")
STUCK_HINT = StoredType("hint of a stuck lease")
ALIGNED = StoredType("mark of aligned index rows")
ROLE = StoredType("role")
GENERATION = StoredType("generation")
ADMISSIONS = StoredType("admissions")
CALLER_ADMISSIONS = StoredType("admissions of a caller")
ASKS = StoredType("asks of a caller")
AUTH_ROLE = StoredType("auth role")
POLICY = StoredType("policy")
EVENT_RULE = StoredType("event rule")
EVENT_COUNTS = StoredType("counts of events")
RULE_LEASE = StoredType("lease of an event rule")
RULE_DENIED = StoredType("denial of an event rule")
HOLDER_RESOURCE = StoredType("resource of a holder")
ACCESS_VERSION = StoredType("access version")
PACKED = StoredType("packed documents")
PENDING_EVENT = StoredType("pending event")
APPLICATION_LOCK = StoredType("lock of an application")
QUEUED_MARKER = StoredType("marker of queued leases")
RUN = StoredType("run history")
COUNT = StoredType("count of leases")
AUDIT_EVENT = StoredType("audit event")
POOL_HINT = StoredType("hint of a pooled lease")
POOL_FILLING = StoredType("filling of a pool")
MESSAGE = StoredType("queue message")

ALL = (
    *(LEASE, LEASE_INDEX, SCOPE_INDEX, DUE, OUTGOING_EVENT, PUBLISHED, IDEMPOTENCY_KEY, LEASED_PRINCIPAL, STUCK_HINT, ALIGNED),
    *(
        ROLE,
        GENERATION,
        ADMISSIONS,
        CALLER_ADMISSIONS,
        ASKS,
        AUTH_ROLE,
        POLICY,
        EVENT_RULE,
        RULE_LEASE,
        RULE_DENIED,
        HOLDER_RESOURCE,
        ACCESS_VERSION,
        PACKED,
        PENDING_EVENT,
        APPLICATION_LOCK,
        QUEUED_MARKER,
        RUN,
        COUNT,
        EVENT_COUNTS,
        AUDIT_EVENT,
        POOL_HINT,
        POOL_FILLING,
        MESSAGE,
    ),
)
"""Every kind of row and document that the broker stores."""
