"""What a function app's folder and environment say about running it: host.json and the app settings."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from pathlib import Path

_SETTING = re.compile(r"%([^%\s]+)%")
_TIMESPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):([0-5]\d):([0-5]\d)(?:\.(\d+))?")
_LEVELS = {"trace": "DEBUG", "debug": "DEBUG", "information": "INFO", "warning": "WARNING"} | {
    "error": "ERROR",
    "critical": "CRITICAL",
    "none": "CRITICAL",
}


class UnusableAppError(Exception):
    """The app cannot be run here; the message names the function or the setting and says why."""


def packages(app: Path) -> list[str]:
    """The folder in which an app brings libraries of its own, which come before all others; none where it brings none."""
    folder = app / ".python_packages" / "lib" / "site-packages"
    return [str(folder)] if folder.is_dir() else []


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """``extensions.queues``, with the defaults of the real host.

    https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue#host-json. Where a developer runs
    the real host, it polls at least every 2 seconds: so does this one.
    """

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: dt.timedelta = dt.timedelta(0)
    max_polling_interval: dt.timedelta = dt.timedelta(seconds=2)
    base64: bool = True

    @classmethod
    def read(cls, section: Mapping[str, Any]) -> Self:
        """From the section of host.json; what it does not say keeps its default."""
        batch_size = int(section.get("batchSize", 16))
        return cls(
            batch_size=batch_size,
            new_batch_threshold=int(section.get("newBatchThreshold", batch_size // 2)),
            max_dequeue_count=int(section.get("maxDequeueCount", 5)),
            visibility_timeout=timespan(section.get("visibilityTimeout", "00:00:00")),
            max_polling_interval=timespan(section.get("maxPollingInterval", "00:00:02")),
            base64=section.get("messageEncoding", "base64").lower() == "base64",
        )


@dataclass(frozen=True, slots=True)
class HostOptions:
    """host.json, as far as this host goes by it."""

    route_prefix: str = "api"
    function_timeout: dt.timedelta | None = dt.timedelta(minutes=30)
    log_level: str = "INFO"
    queues: QueueOptions = field(default_factory=QueueOptions)

    @classmethod
    def read(cls, app: Path) -> Self:
        """Reads ``host.json`` in the app's folder. Raises ``UnusableAppError`` when it is absent or not version 2.0."""
        content = _json(app / "host.json")
        if content.get("version") != "2.0":
            raise UnusableAppError('host.json: "version" must be "2.0"')
        extensions = content.get("extensions", {})
        level = content.get("logging", {}).get("logLevel", {}).get("default", "Information")
        return cls(
            route_prefix=extensions.get("http", {}).get("routePrefix", "api").strip("/"),
            function_timeout=_function_timeout(content.get("functionTimeout", "00:30:00")),
            log_level=_LEVELS.get(level.lower(), "INFO"),
            queues=QueueOptions.read(extensions.get("queues", {})),
        )


@dataclass(frozen=True, slots=True)
class AppSettings:
    """The app settings: the environment over ``Values`` of local.settings.json, as with the real host."""

    values: Mapping[str, str]

    @classmethod
    def read(cls, app: Path, environment: Mapping[str, str]) -> Self:
        """Both sources, the environment first."""
        stored = app / "local.settings.json"
        values = _json(stored).get("Values", {}) if stored.exists() else {}
        return cls({**values, **environment})

    def resolve(self, text: str, where: str) -> str:
        """Replaces each ``%NAME%``. Raises ``UnusableAppError``, naming ``where``, when a setting is not there."""

        def value(match: re.Match[str]) -> str:
            found = self.values.get(match[1])
            if found is None:
                raise UnusableAppError(f"{where}: the app setting {match[1]!r} is not set")
            return found

        return _SETTING.sub(value, text)

    def connection_string(self, name: str, where: str) -> str:
        """A storage connection: the setting of that name, or of that name after ``AzureWebJobs``."""
        for candidate in (f"AzureWebJobs{name}", name):
            if found := self.values.get(candidate):
                return found
        raise UnusableAppError(f"{where}: no connection string in the app setting {name!r}; identities are not for here")


def timespan(text: str) -> dt.timedelta:
    """Reads .NET's ``[d.]hh:mm:ss[.fffffff]``. Raises ``UnusableAppError`` for anything else."""
    match = _TIMESPAN.fullmatch(text)
    if not match:
        raise UnusableAppError(f"host.json: {text!r} is not a time span (hh:mm:ss)")
    days, hours, minutes, seconds = (int(group or 0) for group in match.groups()[:4])
    fraction = float(f"0.{match[5] or 0}")
    return dt.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds + fraction)


def _function_timeout(text: str) -> dt.timedelta | None:
    return None if text == "-1" else timespan(text)


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise UnusableAppError(f"{path} is not there") from None
    except ValueError as error:
        raise UnusableAppError(f"{path.name} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise UnusableAppError(f"{path.name} is not a JSON object")
    return content
