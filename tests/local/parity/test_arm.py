from __future__ import annotations

import json
from typing import Any

import pytest

from tests.local.arm.calls import Azure
from tests.local.parity.arm_replay import differences
from tests.local.parity.records import FOLDER, Record, load, records

_CLI = "Azure/azure-cli:src/command_modules/azure-cli-"
_ROLE = f"{_CLI}role/azure/cli/command_modules/role/tests/"
_ACS = f"{_CLI}acs/azure/cli/command_modules/acs/tests/latest/recordings/"
_OPERATOR = "Azure/azure-service-operator:v2/internal/controllers/recordings/"
_CUT = "the recording's body was cut in two by its scrubbing, and is no JSON"
_WITHDRAWN = "answers canDelegate, a withdrawn property that no other recording of this version has"
_BEFORE = "recorded in January 2018, before Azure had added principalType to this version's answers"
_RENAMED = "an older text of ParentResourceNotFound than the two other recordings have"
_FAULT = "504 GatewayTimeout is a fault of Azure's: the control API strikes with it on demand"
TOPICS = ("arm_role_assignments", "arm_role_definitions", "arm_permissions", "arm_uami_federated_credentials")
NOT_REPRODUCED: dict[str, str] = {
    _ROLE + "latest/recordings/test_revoke_sp_for_rbac.yaml@blob:5398a710b9#18": _CUT,
    _ROLE + "recordings/latest/test_create_for_rbac_with_secret.yaml@blob:a8da38cd3d#23": _CUT,
    _CLI + "role/tests/recordings/test_create_for_rbac_with_secret.yaml@blob:2adafa34aa#31": _CUT,
    _ACS + "test_acs_create_kubernetes.yaml@blob:4e70ab6a3b#21": _BEFORE,
    _ROLE + "latest/recordings/test_revoke_sp_for_rbac.yaml@blob:5398a710b9#4": _CUT,
    _ROLE + "recordings/latest/test_create_for_rbac_with_cert.yaml@blob:50f1449e22#8": _CUT,
    _CLI + "vm/azure/cli/command_modules/vm/tests/latest/recordings/test_vmss_msi.yaml@blob:540e32941d#56": _FAULT,
    _OPERATOR
    + "Test_Samples_CreationAndDeletion/Test_Managedidentity_v1beta_CreationAndDeletion.yaml@blob:c3f1e8a439#14": _RENAMED,
    _OPERATOR + "Test_SubscriptionAndAlias_CRUD.yaml@blob:5ac3bf22c3#9": _WITHDRAWN,
    _OPERATOR + "Test_SubscriptionAndAlias_CRUD.yaml@blob:5ac3bf22c3#3": _WITHDRAWN,
    _OPERATOR + "Test_SubscriptionAndAlias_CRUD.yaml@blob:5ac3bf22c3#2": _WITHDRAWN,
    _OPERATOR + "Test_SubscriptionAndAlias_CRUD.yaml@blob:96b2eef275#2": _WITHDRAWN,
}
"""Recordings that the local cloud does not answer alike, by their source, with the reason."""


def _flows() -> list[Any]:
    file = FOLDER / "flows_graph_arm.json"
    if not file.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason="no recordings of flows_graph_arm"), id="absent")]
    flows = json.loads(file.read_text(encoding="utf-8"))
    return [pytest.param(flow, id=flow["session"]) for flow in flows if any(_is_arm(item) for item in flow["exchanges"])]


def _is_arm(exchange: dict[str, Any]) -> bool:
    return "/providers/Microsoft.Authorization/" in exchange["url"]


@pytest.mark.parametrize("record", [record for topic in TOPICS for record in records(topic)])
def test_answers_as_azure_was_recorded_to(record: Record) -> None:
    """Status, shape of the body, error code and text, and headers."""
    if record.source in NOT_REPRODUCED:
        pytest.skip(NOT_REPRODUCED[record.source])

    assert differences(Azure(), record) == []


@pytest.mark.parametrize("source", NOT_REPRODUCED)
def test_what_is_not_reproduced_still_differs(source: str) -> None:
    """A recording leaves the list of exceptions once the local cloud answers it."""
    record = next(record for topic in TOPICS for record in load(topic) if record.source == source)

    assert _fails(record)


def _fails(record: Record) -> bool:
    try:
        return differences(Azure(), record) != []
    except json.JSONDecodeError:
        return True


@pytest.mark.parametrize("flow", _flows())
def test_answers_whole_flows_as_recorded(flow: dict[str, Any]) -> None:
    """Call after call in one world: what a call made is there for the next."""
    azure = Azure()
    found = []
    for exchange in filter(_is_arm, flow["exchanges"]):
        fields = ("method", "url", "request_headers", "request_body", "status", "response_headers", "response_body")
        record = Record(f"{flow['session']}#{exchange['i']}", *(exchange[field] for field in fields))
        found += [f"{exchange['i']} {record.method} {record.path}: {line}" for line in differences(azure, record)]

    assert found == []
