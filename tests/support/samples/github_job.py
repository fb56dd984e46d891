"""Runs one job of a workflow of GitHub Actions: its steps in order, in bash, with the expressions that the sample has.

https://docs.github.com/actions/reference/workflow-syntax-for-github-actions. Of actions it knows ``azure/login@v2``, which
signs in with the job's own token. A value that a step masks is not in the log.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.support.samples.machine import Done, Machine
from tests.support.samples.oidc import Issuer, served

GITHUB = Issuer("https://token.actions.githubusercontent.com")
_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
_MASK = re.compile(r"^::add-mask::(.+)\n", re.MULTILINE)
_SHELLS = {"bash": ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c"), "": ("bash", "-e", "-c")}


@dataclass(slots=True)
class Job:
    """One run of the only job of a workflow: ``await Job(...).run(machine)``."""

    document: dict[Any, Any]
    subject: str
    """Who the job is, as GitHub's tokens say."""
    variables: dict[str, str]
    run_id: str = field(default_factory=lambda: str(uuid4().int % 10**11))
    log: str = ""
    """What its users see."""
    results: dict[str, str] = field(default_factory=dict)
    """``success``, ``failure`` or ``skipped``, by the step's name."""
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    _masks: set[str] = field(default_factory=set)

    async def run(self, machine: Machine) -> bool:
        """Whether it succeeded, on this machine."""
        (job,) = self.document["jobs"].values()
        allowed = {**self.document.get("permissions", {}), **job.get("permissions", {})}
        with served(GITHUB, self.subject) as tokens:
            for step in job["steps"]:
                given = {**(tokens if allowed.get("id-token") == "write" else {}), **self._filled(job.get("env", {}))}
                self.results[step["name"]] = await self._step(machine, step, given)
        return "failure" not in self.results.values()

    async def _step(self, machine: Machine, step: dict[str, Any], given: dict[str, str]) -> str:
        failed = "failure" in self.results.values()
        condition = step.get("if", "")
        if (failed and "always()" not in condition) or (condition and not self._text(condition)):
            return "skipped"
        done = await (
            self._login(machine, step) if step.get("uses") == "azure/login@v2" else self._script(machine, step, given)
        )
        self._masks |= set(_MASK.findall(done.output))
        shown = _MASK.sub("", done.output)
        for secret in self._masks:
            shown = shown.replace(secret, "***")
        self.log += shown
        return "failure" if done.status else "success"

    async def _login(self, machine: Machine, step: dict[str, Any]) -> Done:
        given = self._filled(step["with"])
        own = GITHUB.token(self.subject)
        options = ("--username", given["client-id"], "--tenant", given["tenant-id"], "--federated-token", own)
        return await machine.run("az", "login", "--service-principal", *options, "--allow-no-subscriptions")

    async def _script(self, machine: Machine, step: dict[str, Any], given: dict[str, str]) -> Done:
        shell = step.get("shell", self.document.get("defaults", {}).get("run", {}).get("shell", ""))
        file = machine.home / f"output-{len(self.results)}"
        file.touch()
        environment = {**given, **self._filled(step.get("env", {})), "GITHUB_OUTPUT": str(file)}
        done = await machine.run(*_SHELLS[shell], step["run"], **environment)
        lines = (line.partition("=") for line in file.read_text().splitlines())
        self.outputs[step.get("id", step["name"])] = {name: value for name, _, value in lines}
        return done

    def _filled(self, values: dict[str, Any]) -> dict[str, str]:
        return {name: self._text(str(value)) for name, value in values.items()}

    def _text(self, text: str) -> str:
        return _EXPRESSION.sub(lambda found: self._all(found[1]), text)

    def _all(self, expression: str) -> str:
        """``a && b``: the last, if none before it is empty."""
        value = ""
        for part in expression.split("&&"):
            value = self._atom(part.strip())
            if not value:
                break
        return value

    def _atom(self, name: str) -> str:
        known = {"always()": "true", "github.run_id": self.run_id, "github.run_attempt": "1"}
        if name in known:
            return known[name]
        if name.startswith("vars."):
            return self.variables[name.removeprefix("vars.")]
        steps, step, outputs, output = name.split(".")
        if (steps, outputs) != ("steps", "outputs"):
            raise ValueError(name)
        return self.outputs.get(step, {}).get(output, "")
