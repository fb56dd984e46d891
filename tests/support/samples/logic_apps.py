"""Runs a workflow definition as Logic Apps do: what it says, by what their documentation says, and nothing of the broker.

HTTP actions: https://learn.microsoft.com/azure/logic-apps/logic-apps-workflow-actions-triggers#http-action. A request may
take 120 seconds. What is answered 408, 429 or 5xx is repeated four times by default. A 202 is polled every 20 seconds, or as
its ``Retry-After`` says, at an absolute ``Location``, with the action's own authentication. What ``secureData`` names is not
in the run's history.

A flow of Power Automate is a workflow as well, but the polls of its HTTP actions carry no token.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import httpx

from tests.support.samples import http_actions
from tests.support.samples.branches import FAILED, SKIPPED, SUCCEEDED, TIMED_OUT, run_all
from tests.support.samples.connectors import Connector
from tests.support.samples.expressions import COMMON, Functions, evaluate
from tests.support.samples.http_actions import Action, Retries, Tokens, pause

SCHEMA = "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#"
_REQUEST_LIMIT, _POLL = 120.0, 20.0
_DURATION = re.compile(r"PT(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?")
_DEFAULT = Retries(4, 7.5, 2.0, least=5.0, most=45.0)
_SIGNED = ("ManagedServiceIdentity", "ActiveDirectoryOAuth")
"""Kinds of authentication whose tokens the service gets by itself."""
_UNITS = {"Second": 1, "Minute": 60}


class _Terminated(Exception):
    """The workflow has ended itself."""


def seconds(duration: str) -> float:
    """An ISO 8601 duration. Raises ``ValueError`` for any other text."""
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError(duration)
    hours, minutes, rest = (float(part or 0) for part in found.groups())
    return hours * 3600 + minutes * 60 + rest


@dataclass(slots=True)
class Run:
    """One run of a workflow: ``await Run(...).start()``."""

    document: dict[str, Any]
    http: httpx.AsyncClient
    tokens: Tokens
    parameters: dict[str, Any]
    name: str = field(default_factory=lambda: f"0858{uuid4().int % 10**26:026d}CU00")
    """No two runs have the same."""
    connectors: Mapping[str, Connector] = field(default_factory=dict)
    """By the connection's id (Logic Apps) or the name of its reference (Power Automate)."""
    signs_polls: bool = True
    """Whether it runs in Logic Apps, and not in Power Automate."""
    status: str = ""
    """How it ended."""
    history: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What an operator sees of each action: status, inputs, outputs."""
    seen: dict[str, list[int]] = field(default_factory=dict)
    """The statuses that each HTTP action was answered, one after the other."""
    outputs: dict[str, Any] = field(default_factory=dict)
    """What each action has given, secured or not: the workflow sees it, and no operator does."""

    async def start(self) -> None:
        """Runs it to its end."""
        document = self.document.get("properties", self.document)
        definition = document["definition"]
        if definition["$schema"] != SCHEMA or len(definition["triggers"]) != 1:
            raise ValueError("no workflow of this version with one trigger")
        declared = definition["parameters"]
        if not self.parameters.keys() <= declared.keys():
            raise ValueError("a parameter that is not declared")
        values = {name: each["value"] for name, each in document.get("parameters", {}).items()}
        self.parameters = {name: each["defaultValue"] for name, each in declared.items()} | values | self.parameters
        try:
            self.status = await self._branches(definition["actions"])
        except _Terminated as ended:
            self.status = str(ended)

    async def _branches(self, actions: dict[str, Any]) -> str:
        after = {name: {each: set(wanted) for each, wanted in action["runAfter"].items()} for name, action in actions.items()}
        status, statuses = await run_all(after, lambda name: self._one(name, actions[name]))
        for name in (name for name, each in statuses.items() if each == SKIPPED):
            self.history[name] = {"status": SKIPPED}
        return status

    async def _one(self, name: str, action: dict[str, Any]) -> str:
        kinds = {
            "Http": self._http,
            "ApiConnection": self._connected,
            "OpenApiConnection": self._connected,
            "Scope": self._scope,
            "If": self._if,
            "Until": self._until,
            "Wait": self._wait,
            "Terminate": self._terminate,
        }
        status = await kinds[action["type"]](name, action)
        self.history.setdefault(name, {})["status"] = status
        return status

    def _filled(self, value: Any) -> Any:
        functions: Functions = {
            **COMMON,
            "parameters": self.parameters.__getitem__,
            "workflow": lambda: {"run": {"name": self.name}},
            "outputs": self.outputs.get,
            "body": lambda name: (self.outputs.get(name) or {}).get("body"),
        }
        return evaluate(value, functions)

    async def _scope(self, _: str, action: dict[str, Any]) -> str:
        return await self._branches(action["actions"])

    async def _if(self, _: str, action: dict[str, Any]) -> str:
        branch = action["actions"] if self._holds(action["expression"]) else action.get("else", {}).get("actions", {})
        return await self._branches(branch)

    def _holds(self, condition: Any) -> bool:
        """A condition as the designer writes it: an object whose operands may be expressions."""
        if isinstance(condition, str):
            return bool(self._filled(condition))
        ((operator, operands),) = condition.items()
        if operator == "not":
            return not self._holds(operands)
        if operator == "and":
            return all(map(self._holds, operands))
        if operator == "equals":
            one, other = map(self._filled, operands)
            return bool(one == other)
        raise ValueError(operator)

    async def _until(self, _: str, action: dict[str, Any]) -> str:
        for _round in range(action["limit"]["count"]):
            await self._branches(action["actions"])
            if self._filled(action["expression"]):
                return SUCCEEDED
        return FAILED

    async def _wait(self, _: str, action: dict[str, Any]) -> str:
        interval = action["inputs"]["interval"]
        await pause(interval["count"] * _UNITS[interval["unit"]])
        return SUCCEEDED

    async def _terminate(self, name: str, action: dict[str, Any]) -> str:
        self.history[name] = {"status": SUCCEEDED}
        raise _Terminated(action["inputs"]["runStatus"])

    async def _http(self, name: str, action: dict[str, Any]) -> str:
        inputs = self._filled(action["inputs"])
        headers = dict(inputs.get("headers", {}))
        who = inputs.get("authentication", {"type": "None"})
        if who["type"] == "Raw":
            headers["Authorization"] = who["value"]
        tokens = partial(_signed_in, self.http, who) if who["type"] == "ActiveDirectoryOAuth" else self.tokens
        resource = who["audience"] if who["type"] in _SIGNED else None
        follows = "DisableAsyncPattern" not in action.get("operationOptions", "")
        call = Action(
            *(self.http, tokens, resource, _retries(inputs.get("retryPolicy")), _REQUEST_LIMIT, _POLL),
            follows=follows,
            signs_polls=self.signs_polls,
        )
        self.seen[name] = call.seen
        limit = seconds(action["limit"]["timeout"]) if "limit" in action else None
        self.outputs.pop(name, None)
        status = TIMED_OUT
        try:
            async with asyncio.timeout(None if limit is None else limit / http_actions.FASTER):
                reply = await call.run(inputs["method"], inputs["uri"], headers, inputs.get("body"))
            self.outputs[name] = {"statusCode": reply.status_code, "body": _content(reply)}
            status = FAILED if reply.is_error else SUCCEEDED
        except httpx.HTTPError:
            status = FAILED
        except TimeoutError:
            pass
        self._shown(name, action, inputs)
        return status

    async def _connected(self, name: str, action: dict[str, Any]) -> str:
        inputs = self._filled(action["inputs"])
        host = inputs["host"]
        connection = host["connection"]["name"] if action["type"] == "ApiConnection" else host["connectionName"]
        code, body = await self.connectors[connection](inputs)
        self.outputs[name] = {"statusCode": code, "body": body}
        self._shown(name, action, inputs)
        return SUCCEEDED if httpx.codes.is_success(code) else FAILED

    def _shown(self, name: str, action: dict[str, Any], inputs: dict[str, Any]) -> None:
        """Notes what the history shows of an action: what it does not secure."""
        secure = action.get("runtimeConfiguration", {}).get("secureData", {}).get("properties", [])
        shown = {"inputs": inputs, "outputs": self.outputs.get(name)}
        self.history[name] = {part: value for part, value in shown.items() if part not in secure}


async def _signed_in(http: httpx.AsyncClient, who: dict[str, Any], resource: str) -> str:
    """A token for an application that the action names with its secret. Raises ``httpx.HTTPError`` if it is refused."""
    if who["credentialType"] != "Secret":
        raise ValueError(who["credentialType"])
    form = {
        "grant_type": "client_credentials",
        "resource": resource,
        "client_id": who["clientId"],
        "client_secret": who["secret"],
    }
    reply = await http.post(f"{who['authority'].rstrip('/')}/{who['tenant']}/oauth2/token", data=form)
    return str(reply.raise_for_status().json()["access_token"])


def _content(reply: httpx.Response) -> Any:
    return reply.json() if "json" in reply.headers.get("content-type", "") else reply.text


def _retries(policy: dict[str, Any] | None) -> Retries:
    if policy is None:
        return _DEFAULT
    if policy["type"] == "none":
        return Retries(0, 0)
    interval = seconds(policy["interval"])
    if policy["type"] == "fixed":
        return Retries(policy["count"], interval)
    least, most = seconds(policy["minimumInterval"]), seconds(policy["maximumInterval"])
    return Retries(policy["count"], interval, 2.0, least=least, most=most)
