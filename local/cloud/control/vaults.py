"""Key vaults that tests make and change through the control API."""

from __future__ import annotations

import re
from typing import Any

from local.cloud.control import inputs, provision
from local.cloud.engine.errors import InputError
from local.cloud.engine.http import HttpRequest, Json, Reply
from local.cloud.key_vault.vaults import DAYS, TYPE, named, uri_of
from local.cloud.local_azure import LocalAzure
from local.cloud.tenant.resources import Resource

_NAME = re.compile(r"(?!.*--)[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]")
"""Azure's rule: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules#microsoftkeyvault"""
_GROUP = "app"
_FEWEST_DAYS = 7
_SETTINGS = {"purge_protection", "tenant_id", "firewall", "retention_days"}


def placed(world: LocalAzure, name: str, group: str) -> Resource:
    """A key vault that goes by role assignments, with Azure's defaults; its group is made when it is missing."""
    holder = provision.resource_group(world, group)
    made = provision.resource(world, f"{holder.id}/providers/{TYPE}/{name}")
    made.properties |= {
        "sku": {"family": "A", "name": "standard"},
        "tenantId": world.tenant_id,
        "networkAcls": _network(closed=False),
        "accessPolicies": [],
        "enableRbacAuthorization": True,
        "enableSoftDelete": True,
        "softDeleteRetentionInDays": DAYS,
        "vaultUri": f"{uri_of(name)}/",
    }
    return made


def add_vault(world: LocalAzure, call: HttpRequest) -> Reply:
    """``POST /vaults``: a vault that goes by role assignments, and its group when that is missing."""
    body = inputs.body_of(call, {"name"}, {"resource_group", *_SETTINGS})
    name, group = inputs.name(body, "name"), inputs.name({"resource_group": _GROUP, **body}, "resource_group")
    if not _NAME.fullmatch(name):
        raise InputError(f"not a vault's name: {name}")
    if named(world, name) is not None:
        raise InputError(f"the name is taken: {name}")
    settings = _settings(body)
    made = placed(world, name, group)
    made.properties |= settings
    return Reply(201, _shown(made))


def change_vault(world: LocalAzure, call: HttpRequest) -> Reply:
    """``PUT /vaults/{name}``: settings of a vault, those that are named. They hold at once."""
    body = inputs.body_of(call, set(), _SETTINGS)
    found = named(world, call.params["name"])
    if found is None:
        raise InputError(f"no vault {call.params['name']}")
    found.properties |= _settings(body)
    return Reply(200, _shown(found))


def _settings(body: Json) -> Json:
    """As they stand in the resource; only those that are given."""
    made: Json = {}
    if "purge_protection" in body:
        made["enablePurgeProtection"] = inputs.flag(body, "purge_protection")
    if "tenant_id" in body:
        made["tenantId"] = inputs.guid(body, "tenant_id")
    if "retention_days" in body:
        made["softDeleteRetentionInDays"] = _days(body["retention_days"])
    if "firewall" in body:
        made["networkAcls"] = _network(closed=inputs.flag(body, "firewall"))
    return made


def _network(*, closed: bool) -> dict[str, Any]:
    """A vault's firewall: closed to every address, or open."""
    action = "Deny" if closed else "Allow"
    return {"bypass": "AzureServices", "defaultAction": action, "ipRules": [], "virtualNetworkRules": []}


def _days(value: Any) -> int:
    if not (inputs.is_number(value, whole=True) and _FEWEST_DAYS <= value <= DAYS):
        raise InputError(f"retention_days must be a whole number from {_FEWEST_DAYS} to {DAYS}")
    return int(value)


def _shown(vault: Resource) -> Json:
    name = vault.id.rsplit("/", 1)[-1]
    return {"name": name, "id": vault.id, "uri": uri_of(name)}
