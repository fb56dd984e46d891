"""``make contract``: docs/openapi.json, from what the routes, the answers and the kinds of credential declare.

A call's summary and description are its handler's docstring; what it takes and answers stands beside the handler. ``--check``
writes nothing and fails when the file differs.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infra.contract_access import access_schemas
from infra.contract_examples import EXAMPLES
from infra.contract_roles import role_schemas
from shared.broker.reconcile.drift import LEASE
from shared.core.errors import Unauthenticated
from shared.kinds.fragment import Fragment
from shared.triggers.http import groups, problem, requests
from shared.triggers.http.documents import EXISTING, MATCHING
from shared.triggers.http.responses import CAUTION, FOUND, KIND
from shared.triggers.http.routes import Api, Route
from shared.triggers.http.shape import Answer, Body, Entry, Field, Items, Parameter, Record, Shape, Value
from shared.wiring.kinds import KINDS, PARTS

FILE = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"
TITLE = {
    "title": "Leasehold API",
    "version": "1",
    "description": "Short-lived Azure credentials under a lease. Times are RFC 3339 in UTC. Durations are seconds, or texts"
    " such as `15m` and `4h`. Fields and query parameters that are not known are refused. A query parameter is given once, with"
    " a value. Where GET is taken, HEAD is. Whatever is not a success is a problem document (RFC 9457), explained at"
    " `/api/v1/problems`.",
}
SIGN_IN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An Entra ID access token for the broker's audience.",
}
REQUEST_ID = {
    "description": "The request's id, by which the operator finds it. What the caller sends as `x-request-id` (1 to 64 letters,"
    " digits, `.`, `_`, `-`) is kept beside it and comes back as `x-client-request-id`.",
    "schema": {"type": "string"},
}
PROBLEMS = {
    400: ("BadRequest", "The request is not understood; every fault is listed."),
    401: ("Unauthenticated", "There is no good token."),
    403: (
        "Forbidden",
        "The caller may not; whether the thing exists is not told. Or a lease has made the caller (`leased_caller`).",
    ),
    404: ("NotFound", "There is none, or it is not the caller's to see."),
    409: ("Conflict", "The state does not allow it, or Azure refused a step for good."),
    410: ("Gone", "It was there and has ended."),
    412: ("PreconditionFailed", "A condition on the version does not hold."),
    413: ("TooLarge", "The body is too large."),
    415: (
        "UnsupportedMedia",
        "The body is not JSON in UTF-8, or compressed. The latter is answered with `Accept-Encoding: identity`.",
    ),
    429: ("TooMany", "A cap is reached."),
    500: ("Failed", "The broker failed."),
    502: ("AzureRefused", "Azure did not do what was asked, and neither refused it for good nor said that it may pass."),
    503: ("TryAgain", "Azure is slow or busy; nothing is left behind."),
    504: ("AzureUnreachable", "Azure did not answer in time."),
}
ALWAYS = (400, 401, 403, 500, 503, 504)
"""What any call that has a caller may answer."""
WITH_BODY = (413, 415)
_REF = "#/components/{}/{}"


class Contract:
    """The document of these groups and kinds, gathered piece by piece."""

    def __init__(self, apis: Iterable[Api] = groups.GROUPS, kinds: Iterable[Fragment] | None = None) -> None:
        self._apis = tuple(apis)
        self._kinds = tuple(each.fragment for each, _ in KINDS) if kinds is None else tuple(kinds)
        self._schemas: dict[str, Any] = {**role_schemas(self._kinds), **access_schemas()}
        self._parameters: dict[str, Any] = {}

    def document(self) -> dict[str, Any]:
        """All of it."""
        paths: dict[str, dict[str, Any]] = {}
        for api in self._apis:
            for route in api.routes:
                paths.setdefault(f"/{route.path}", {})[route.methods[0].lower()] = self._call(api, route)
        for each in (CAUTION, EXISTING, MATCHING):
            self._of(each)
        self._of(problem.PROBLEM)
        return {
            "openapi": "3.1.0",
            "info": TITLE,
            "servers": [{"url": "/"}],
            "security": [{"entra": []}],
            "tags": [{"name": tag} for tag in dict.fromkeys(api.tag for api in self._apis)],
            "paths": paths,
            "components": {
                "securitySchemes": {"entra": SIGN_IN},
                "headers": {"RequestId": REQUEST_ID},
                "parameters": self._parameters,
                "responses": {name: self._problem(status) for status, (name, _) in PROBLEMS.items()},
                "schemas": dict(sorted(self._schemas.items())),
            },
        }

    def _call(self, api: Api, route: Route) -> dict[str, Any]:
        told = route.told
        summary, _, description = inspect.cleandoc(told.doc).partition("\n\n")
        names = [requests.IN_PATH.get(name) or _plain(name) for name in re.findall(r"{(\w+)}", route.path)]
        parameters = [
            *(self._parameter(each, "path") for each in names),
            *(_query(each) for each in told.query),
            *(self._parameter(each, "header") for each in told.headers),
        ]
        answers: dict[str, Any] = {str(each.status): self._answer(each) for each in told.answers}
        fails = () if not route.operation else sorted({*ALWAYS, *told.fails, *(WITH_BODY if told.body else ())})
        answers |= {str(status): {"$ref": _REF.format("responses", PROBLEMS[status][0])} for status in fails}
        for each in told.schemas:
            self._of(each)
        return {
            "operationId": route.name,
            "summary": summary,
            **({"description": " ".join(description.split())} if description else {}),
            "tags": [api.tag],
            **({} if route.operation else {"security": []}),
            **({"parameters": parameters} if parameters else {}),
            **({"requestBody": self._body(told.body, EXAMPLES.get(route.name))} if told.body else {}),
            "responses": answers,
        }

    def _parameter(self, parameter: Parameter, place: str) -> dict[str, Any]:
        told = {
            "name": parameter.name,
            "in": place,
            "required": place == "path",
            "description": parameter.description,
            "schema": parameter.schema,
        }
        if not parameter.component:
            return told
        self._parameters[parameter.component] = told
        return {"$ref": _REF.format("parameters", parameter.component)}

    def _body(self, body: Body, example: Any) -> dict[str, Any]:
        fields = {each.name: {**each.schema, "description": each.description} for each in body.entries}
        schema: Any = body.schema or {"type": "object", "additionalProperties": False}
        if fields:
            must = {"required": [each.name for each in body.must]} if body.must else {}
            schema = schema | {"properties": fields} | must
        if fields and body.name:
            self._schemas[body.name] = schema | {"description": body.description}
            schema = {"$ref": _REF.format("schemas", body.name)}
        told = {"description": body.description} if body.description and not fields else {}
        content = {"schema": schema, **({"example": example} if example else {})}
        return told | {"required": body.required, "content": {"application/json": content}}

    def _answer(self, answer: Answer) -> dict[str, Any]:
        headers = {"x-request-id": {"$ref": _REF.format("headers", "RequestId")}, **answer.headers}
        told = {"description": answer.description, "headers": headers}
        if answer.shape is None:
            return told
        return told | {"content": {answer.content_type: {"schema": self._of(answer.shape)}}}

    def _problem(self, status: int) -> dict[str, Any]:
        headers: dict[str, Any] = {}
        if status == problem.meaning_of(Unauthenticated).status:
            headers["WWW-Authenticate"] = {"description": "Where to get a token, and for what.", "schema": {"type": "string"}}
        if status in {429, 503}:
            headers["Retry-After"] = {"description": "Seconds.", "schema": {"type": "integer"}}
        told = Answer(status, PROBLEMS[status][1], problem.PROBLEM, headers, problem.CONTENT_TYPE)
        return self._answer(told)

    def _of(self, shape: Shape) -> dict[str, Any]:
        """Its schema, or a reference to it where it has a name."""
        match shape:
            case Record(name=""):
                return self._record(shape)
            case Record():
                self._schemas[shape.name] = self._record(shape)
                return {"$ref": _REF.format("schemas", shape.name)}
            case Items():
                return {"type": "array", "items": self._of(shape.of)}
            case Value():
                return dict(self._value(shape))
        raise TypeError(f"{shape} has no schema")

    def _value(self, value: Value) -> Mapping[str, Any]:
        if value is KIND:
            return {"type": "string", "enum": [each.type for each in self._kinds]}
        if value is FOUND:
            of_parts = (kind for each in PARTS for kind in each.found)
            return {"type": "string", "enum": [*(kind for each in self._kinds for kind in each.found), *of_parts, LEASE]}
        return value.schema

    def _record(self, record: Record[Any]) -> dict[str, Any]:
        return {
            "type": "object",
            **({"description": record.description} if record.description else {}),
            "properties": {each.name: self._field(each) for each in record.fields},
            "required": [each.name for each in record.fields if not each.optional],
            "additionalProperties": False,
        }

    def _field(self, field: Field[Any]) -> dict[str, Any]:
        return self._of(field.shape) | ({"description": field.description} if field.description else {})


def _query(entry: Entry[Any]) -> dict[str, Any]:
    return {"name": entry.name, "in": "query", "required": False, "description": entry.description, "schema": entry.schema}


def _plain(name: str) -> Parameter:
    return Parameter(name, {"type": "string"}, "")


def written(document: Mapping[str, Any]) -> str:
    """As it stands in the file."""
    return json.dumps(document, indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Writes the file, or says whether it is as it would be written."""
    text = written(Contract().document())
    if "--check" not in arguments:
        FILE.write_text(text, encoding="utf-8")
        return 0
    if FILE.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write("docs/openapi.json is not what the code declares: run `make contract`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
