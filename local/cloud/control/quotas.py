"""The services' limits, as the control API reads and sets them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from local.cloud.engine.http import Json
from local.cloud.engine.service import HasLimits, Limits, Service
from local.cloud.local_azure import LocalAzure


def of(services: Iterable[Service[LocalAzure]]) -> dict[str, Limits]:
    """The limits of those services that have some, by the service's name."""
    return {service.name: service.limits for service in services if isinstance(service, HasLimits)}


def as_json(limits: Mapping[str, Limits]) -> Json:
    """Every limit in force, by service and name."""
    return {service: found.as_json() for service, found in limits.items()}


def configure(limits: Mapping[str, Limits], wanted: Mapping[str, Mapping[str, Any]]) -> None:
    """Sets those that are named; raises ``InputError``, and sets none, when one is unknown or its value is."""
    for service, settings in wanted.items():
        limits[service].check(settings)
    for service, settings in wanted.items():
        limits[service].configure(settings)
