"""What the calls for documents of all types have in common: conditions, lists, names, warnings, dry runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

import azure.functions as func

from shared.broker.configure.look_up import Existing, Found, Matching
from shared.broker.configure.written import Written
from shared.core.errors import Caution, Fault, Malformed
from shared.core.ports.documents import ABSENT, ANY, Expect
from shared.core.ports.page import Page
from shared.triggers.http import requests
from shared.triggers.http.preconditions import IF_CHANGED, IF_NONE_MATCH, conditions, if_match, is_unchanged, tag_of
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.responses import CAUTION, part_of
from shared.triggers.http.shape import TEXT, Answer, Field, Items, Record, Shape, Value, flag

LISTED = (requests.LIMIT, requests.CURSOR)
DRY_RUN = flag("dry_run", "Check, against Azure as well, and change nothing.")
_VERSION = {"ETag": {"description": "Its version.", "schema": TEXT.schema}}
_VERSION_IF_STORED = {"ETag": {"description": "Its version, unless nothing was stored.", "schema": TEXT.schema}}
READ_HEADERS = (IF_CHANGED,)
WRITE_HEADERS = (if_match("Replace only this version, or with `*` only what exists."), IF_NONE_MATCH)
DELETE_HEADERS = (if_match("Delete only this version, or with `*` any."),)
EXISTING = Record[Existing](
    "InAzure",
    "Whether Azure has what a value names.",
    Field("path", TEXT, lambda it: it.path, "The value, by its place in the document that is answered."),
    Field(
        "exists",
        Value({"type": ["boolean", "null"]}),
        lambda it: it.exists,
        "`null`: the broker may not read it.",
    ),
    Field("name", TEXT, lambda it: it.name, "Its name in Azure.", optional=True),
)
MATCHING = Record[Matching](
    "MatchesInAzure",
    "How many of the directory's managed identities a pattern matches now.",
    Field("path", TEXT, lambda it: it.path, "The pattern, by its place in the document that is answered."),
    Field(
        "matches",
        Value({"type": ["integer", "string", "null"]}),
        lambda it: it.matches,
        "A text such as `1000+` if the directory has more identities than were read; `null`: the broker may not read them.",
    ),
    Field("examples", Items(TEXT), lambda it: it.examples, "The resource ids of up to ten."),
)
_LET_PASS = {"name", "warnings", "azure", "lender", "denied_since"}
"""What an answer has beside the document. All of it is let pass in a body, so that what was read may be written back."""


class Versioned(Protocol):
    """A stored document."""

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def version(self) -> str:
        """The stored row's ETag."""
        ...


def list_answer(field: str, what: str, shape: Shape) -> Answer:
    """Returns the declaration of a list's answer."""
    return Answer(200, what, part_of(field, shape))


def read_answers(what: str, shape: Shape) -> tuple[Answer, ...]:
    """Returns the declarations of the answers to a GET of one document."""
    return Answer(200, what, shape, _VERSION), Answer(304, "The caller has this version.", None, _VERSION)


def write_answers(what: str, shape: Shape) -> tuple[Answer, ...]:
    """Returns the declarations of the answers to a PUT."""
    replaced = Answer(200, f"{what} as replaced, or with `dry_run` as it would be.", shape, _VERSION_IF_STORED)
    return replaced, Answer(201, f"{what} as made.", shape, _VERSION)


def page_asked(request: func.HttpRequest) -> tuple[int, str]:
    """Returns the limit and the cursor of a list. Raises ``Malformed``."""
    return requests.asked(request, requests.LIMIT), requests.asked(request, requests.CURSOR) or ""


def listed[T](field: str, page: Page[T], write: Callable[[T], dict[str, Any]]) -> Reply:
    """Returns the answer to a list."""
    return of_json(200, {field: [write(each) for each in page.items], "next": page.cursor})


def shown(request: func.HttpRequest, document: Mapping[str, Any], version: str) -> Reply:
    """Returns the answer to a GET of one document: 304 if the caller has this version."""
    tag = {"ETag": tag_of(version)}
    return Reply(304, headers=tag) if is_unchanged(request, version) else of_json(200, document, tag)


def stored[T: Versioned](request: func.HttpRequest, written: Written[T], document: Mapping[str, Any]) -> Reply:
    """Returns the answer to a PUT."""
    answer = {"name": written.document.name, **document, **noted(written.warnings)}
    if requests.asked(request, DRY_RUN):
        return of_json(200, {**answer, "azure": [_in_azure(each) for each in written.azure]})
    return of_json(201 if written.is_new else 200, answer, {"ETag": tag_of(written.document.version)})


def noted(warnings: Iterable[Caution]) -> dict[str, Any]:
    """Returns the field with the warnings, or nothing if there are none."""
    found = [CAUTION.write(each) for each in warnings]
    return {"warnings": found} if found else {}


def outdated(faults: Iterable[Fault]) -> dict[str, Any]:
    """Returns the field with the warnings of a stored document that breaks rules of today, or nothing if it breaks none."""
    return noted(Caution(fault.path, "outdated", fault.message) for fault in faults)


async def expected_of[T: Versioned](request: func.HttpRequest, find: Callable[[], Awaitable[T | None]]) -> Expect:
    """Returns what the conditions of a request expect in the store. Only an ``If-Match`` needs a look there.

    Raises ``Malformed``, ``PreconditionFailed``, and as ``find``.
    """
    wanted = conditions(request)
    if wanted.must_be_new:
        return ABSENT
    if wanted.tags is None:
        return ANY
    former = await find()
    return wanted.expected(former.version if former is not None else None)


def unnamed(name: str, document: Any, read: Callable[[Any], object]) -> Any:
    """Returns a body without what an answer has beside the document.

    Raises ``Malformed`` if it has another document's name, with the faults that ``read`` finds in the document.
    """
    if not isinstance(document, dict):
        return document
    rest = {field: value for field, value in document.items() if field not in _LET_PASS}
    if document.get("name", name) != name:
        faults: tuple[Fault, ...] = ()
        try:
            read(rest)
        except Malformed as malformed:
            faults = malformed.faults
        raise Malformed(Fault("name", "is not the name in the path"), *faults)
    return rest


def _in_azure(found: Found) -> dict[str, Any]:
    return EXISTING.write(found) if isinstance(found, Existing) else MATCHING.write(found)
