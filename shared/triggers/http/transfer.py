"""The calls that export and import the whole configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.triggers.http import requests
from shared.triggers.http.edge import VerifiedRequest
from shared.triggers.http.reply import Reply, of_json
from shared.triggers.http.responses import CAUTION
from shared.triggers.http.routes import Api
from shared.triggers.http.shape import TEXT, WHOLE, Answer, Body, Field, Items, Record, flag, named

if TYPE_CHECKING:
    from shared.broker.configure.import_sections import Imported, Step  # noqa: F401 - named in quotes below

api = Api("configuration")
CONFIGURATION = named("Configuration")


@api.call(
    "GET",
    "export",
    needs=("export", "read"),
    operation="export",
    query=(requests.CURSOR,),
    answers=(Answer(200, "The configuration, or a page of it.", CONFIGURATION),),
)
async def export_configuration(request: VerifiedRequest) -> Reply:
    """Export the configuration.

    For whoever may read `export`. All roles, auth roles, policies and event rules as one document, which an import takes: for
    version control, and for disaster. At most 900 KiB; of a larger configuration, pages with `next`, which are imported in
    their order.
    """
    from shared.broker.configure.transfer import export  # noqa: PLC0415 - for operators alone

    return of_json(200, await export(request.ports, requests.asked(request.http, requests.CURSOR) or ""))


DRY_RUN = flag("dry_run", "Check all of it, run its tests, tell the difference, and change nothing.")
PRUNE = flag("prune", "Delete the documents that the configuration does not name, of the sections that it has.")
REVOKE = flag("revoke", "With `prune`: end the live leases of roles that go.")
MOST_OCTETS = 5 * 1024 * 1024
"""Of an import: a page of an export still fits if somebody has indented it by four blanks, which makes it five times longer."""
STEP = Record["Step"](
    "",
    "",
    Field("path", TEXT, lambda it: it.path, "As in faults: `policies.readers`."),
    Field("fields", Items(TEXT), lambda it: it.fields, "The fields that differ."),
)
IMPORTED = Record["Imported"](
    "Imported",
    "What an import has changed or, with `dry_run`, would change.",
    Field("created", Items(STEP), lambda it: it.of("created")),
    Field("changed", Items(STEP), lambda it: it.of("changed")),
    Field("deleted", Items(STEP), lambda it: it.of("deleted")),
    Field("unchanged", WHOLE, lambda it: it.unchanged, "How many documents are stored already, as they are."),
    Field("warnings", Items(CAUTION), lambda it: it.warnings, "For the author of what was created or changed."),
)


@api.call(
    "PUT",
    "import",
    needs=("import", "write"),
    operation="import",
    query=(DRY_RUN, PRUNE, REVOKE),
    body=Body(
        "",
        f"At most {MOST_OCTETS} octets. A document that it does not name stays as it is.",
        schema=CONFIGURATION.schema,
        required=True,
    ),
    answers=(Answer(200, "The difference.", IMPORTED),),
    fails=(409, 412, 502),
)
async def write_configuration(request: VerifiedRequest) -> Reply:
    """Import a configuration.

    For admins alone: no policy gives it. Nothing is written before all documents are checked, in Azure as well, and all tests
    pass (409 `tests_failed`). The order is policies, roles, event rules, auth roles, then deletions in reverse. The importer
    lends its rights to the event rules that it writes. If a write fails after others (503 `import_stopped`), `applied` and
    `left` name the documents: repeat the import.
    """
    from shared.broker.configure.imports import import_configuration  # noqa: PLC0415 - for operators alone

    dry_run, prune, revoke = (requests.asked(request.http, each) for each in (DRY_RUN, PRUNE, REVOKE))
    document = requests.body(request.http, MOST_OCTETS)
    done = import_configuration(request.ports, request.actor, document, dry_run=dry_run, prune=prune, revoke=revoke)
    return of_json(200, IMPORTED.write(await done))
