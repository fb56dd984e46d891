"""The app's functions, indexed and invoked by ``azure-functions-runtime``: the code that Azure's Python worker runs.

Everything that touches that library, which is untyped and keeps its state in modules, is in this file.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import azure_functions_runtime as runtime  # type: ignore[import-untyped]  # the library has no types
from azure_functions_runtime import handle_event, native_invocation
from azure_functions_runtime.bindings import datumdef, meta  # type: ignore[import-untyped]  # the same
from azure_functions_runtime.loader import index_function_app  # type: ignore[import-untyped]  # the same

from local.host.options import UnusableAppError, packages

if TYPE_CHECKING:
    import datetime as dt
    from pathlib import Path

SCRIPT = "function_app.py"
_log = logging.getLogger("local.host")


class _BindingInfo(IntEnum):
    """The two numbers of the worker's protocol that indexing compares with; ``undefined`` is its data type."""

    undefined = 0
    out = 1
    inout = 2


class _Protos:
    """Stands in for the worker's generated protocol module: indexing reads nothing else of it."""

    BindingInfo = _BindingInfo


@dataclass(frozen=True, slots=True)
class Function:
    """One indexed function: its trigger's binding and its other bindings, as function.json would say them."""

    id: str
    name: str
    trigger: Mapping[str, Any]
    outputs: tuple[Mapping[str, Any], ...]

    @property
    def parameter(self) -> str:
        """The Python parameter that takes what triggered it."""
        return str(self.trigger["name"])


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an invocation ended."""

    ok: bool
    value: Any = None
    """The function's return value as the library's ``Datum``, or ``None``."""


def text(value: str) -> Any:
    """A string, as the library takes it."""
    return datumdef.Datum(value, "string")


def octets(value: bytes) -> Any:
    """Bytes, as the library takes them."""
    return datumdef.Datum(value, "bytes")


def document(value: object) -> Any:
    """JSON, as the library takes it."""
    return datumdef.Datum(json.dumps(value), "json")


def request(fields: Mapping[str, Any]) -> Any:
    """An HTTP request, as the library takes it."""
    return datumdef.Datum(fields, "http")


def index(app: Path) -> list[Function]:
    """Imports the app's ``function_app.py`` and registers what it declares.

    Raises ``UnusableAppError`` when the import or the indexing fails, for one function fails them all, as in Azure.
    """
    os.chdir(app)
    sys.path[:0] = [str(app), *packages(app)]
    meta.load_binding_registry()
    runtime.start_threadpool_executor()
    try:
        return [_register(function) for function in index_function_app(str(app / SCRIPT)) or ()]
    except Exception as error:
        raise UnusableAppError(f"{app / SCRIPT}: {error!r}") from error


def _register(function: Any) -> Function:
    if function.get_settings_dict("retry_policy"):
        raise UnusableAppError(f"function {function.get_function_name()}: retry policies are not offered here")
    info = handle_event._functions.add_indexed_function(function=function, protos=_Protos)  # noqa: SLF001 - its registry
    bindings = json.loads(function.get_function_json())["bindings"]
    trigger = next(binding for binding in bindings if binding["type"].lower().endswith("trigger"))
    outputs = tuple(binding for binding in bindings if binding is not trigger)
    return Function(info.function_id, info.name, trigger, outputs)


async def invoke(
    function: Function, given: Any, metadata: Mapping[str, Any] | None = None, *, within: dt.timedelta | None = None
) -> Outcome:
    """Runs a function once, with what triggered it. A failure is logged, and is an outcome.

    A function that overruns ``within`` is cancelled when it is asynchronous; a synchronous one keeps its thread. (Azure
    ends the whole worker.)
    """
    invocation = str(uuid.uuid4())
    run = native_invocation.invocation_request_native(
        invocation, function.id, [(function.parameter, given)], dict(metadata or {})
    )
    try:
        async with asyncio.timeout(within.total_seconds() if within else None):
            ok, value, _, fault, _ = await run
    except TimeoutError:
        _log.error("function %s (%s) ran longer than functionTimeout and was ended", function.name, invocation)
        return Outcome(ok=False)
    if not ok:
        # The library has just logged the traceback, without a name.
        _log.error("function %s (%s) failed: %s", function.name, invocation, fault)
    return Outcome(ok, value)


def close() -> None:
    """Waits for synchronous functions' threads and ends them."""
    runtime.stop_threadpool_executor()
