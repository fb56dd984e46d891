"""Runs a pipeline as Data Factory does: Web activities by what its documentation says, and nothing of the broker.

https://learn.microsoft.com/azure/data-factory/control-flow-web-activity: a request may take ``httpRequestTimeout``, a minute
unless it says otherwise. A 202 is followed to its ``Location`` unless ``turnOffAsync`` says otherwise. Answers must be JSON.
An activity that failed is run again as ``policy`` says. ``secureInput`` and ``secureOutput`` keep what they name out of the
run's history.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.support.samples import http_actions
from tests.support.samples.branches import FAILED, SUCCEEDED, run_all
from tests.support.samples.expressions import COMMON, Functions, evaluate
from tests.support.samples.http_actions import Action, Retries, Tokens, pause

_POLL = 10.0
_ONCE = Retries(0, 0)
_MEANT = {"Completed": {SUCCEEDED, FAILED}, "Succeeded": {SUCCEEDED}, "Failed": {FAILED}, "Skipped": {"Skipped"}}


def seconds(duration: str) -> float:
    """``d.hh:mm:ss`` or ``hh:mm:ss``."""
    days, _, clock = duration.rpartition(".")
    hours, minutes, rest = map(int, clock.split(":"))
    return int(days or 0) * 86400 + hours * 3600 + minutes * 60 + rest


@dataclass(slots=True)
class PipelineRun:
    """One run of a pipeline: ``await PipelineRun(...).start()``."""

    document: dict[str, Any]
    http: httpx.AsyncClient
    tokens: Tokens
    parameters: dict[str, Any]
    id: str = field(default_factory=lambda: str(uuid4()))
    """No two runs have the same."""
    status: str = ""
    """How it ended."""
    history: dict[str, dict[str, Any]] = field(default_factory=dict)
    """What an operator sees of each activity: status, input, output."""
    seen: dict[str, list[int]] = field(default_factory=dict)
    """The statuses that each activity was answered, one after the other."""
    _outputs: dict[str, Any] = field(default_factory=dict)

    async def start(self) -> None:
        """Runs it to its end."""
        declared = self.document["properties"]["parameters"]
        if not self.parameters.keys() <= declared.keys():
            raise ValueError("a parameter that is not declared")
        self.parameters = {name: each["defaultValue"] for name, each in declared.items()} | self.parameters
        activities = {each["name"]: each for each in self.document["properties"]["activities"]}
        after = {
            name: {
                one["activity"]: set().union(*(_MEANT[each] for each in one["dependencyConditions"]))
                for one in activity["dependsOn"]
            }
            for name, activity in activities.items()
        }
        self.status, statuses = await run_all(after, lambda name: self._one(activities[name]))
        for name, each in statuses.items():
            self.history.setdefault(name, {})["status"] = each

    async def _one(self, activity: dict[str, Any]) -> str:
        if activity["type"] == "Fail":
            return FAILED
        if activity["type"] != "WebActivity":
            raise ValueError(activity["type"])
        policy = activity["policy"]
        for left in reversed(range(policy["retry"] + 1)):
            status = await self._web(activity)
            if status == SUCCEEDED or not left:
                return status
            await pause(policy["retryIntervalInSeconds"])
        raise AssertionError("the last try returns")

    async def _web(self, activity: dict[str, Any]) -> str:
        functions: Functions = {
            **COMMON,
            "pipeline": lambda: {"RunId": self.id, "parameters": self.parameters},
            "activity": lambda name: {"output": self._outputs[name]},
        }
        given, name, policy = evaluate(activity["typeProperties"], functions), activity["name"], activity["policy"]
        resource = None
        if "authentication" in given:
            resource = {"MSI": given["authentication"]["resource"]}[given["authentication"]["type"]]
        limit = seconds(given.get("httpRequestTimeout", "00:01:00"))
        follows = not given.get("turnOffAsync", False)
        call = Action(self.http, self.tokens, resource, _ONCE, limit, _POLL, follows=follows)
        self.seen.setdefault(name, [])
        shown = {} if policy["secureInput"] else {"input": given}
        status = FAILED
        try:
            async with asyncio.timeout(seconds(policy["timeout"]) / http_actions.FASTER):
                reply = await call.run(given["method"], given["url"], given.get("headers", {}), given.get("body"))
            status = FAILED if reply.is_error else SUCCEEDED
            self._outputs[name] = reply.json()
            shown |= {} if policy["secureOutput"] else {"output": self._outputs[name]}
        except (httpx.HTTPError, TimeoutError, ValueError):
            status = FAILED
        self.seen[name] += call.seen
        self.history[name] = shown
        return status
