"""``docs/delivery.md``: its roles are roles, and its tables have what the code has."""

from __future__ import annotations

import json
import re
from typing import Any, get_args

import pytest
import yaml  # type: ignore[import-untyped] # Schemathesis brings it; no stubs do

from local.snapshots import INFRA
from shared.cloud.key_vault.content import CONTENT_TYPES
from shared.core.delivery import DEFAULT_NAME, FORMATS, MAX_NAME, MAX_VAULTS, Delivered, DeliveryState
from shared.core.names import LeaseId, RoleName
from shared.issuers.key_vault_secret.removal import PATIENCE
from shared.issuers.key_vault_secret.tags import tags_of, with_end
from tests.fakes.clock import START
from tests.support.kinds import read_role

GUIDE = (INFRA.parent / "docs" / "delivery.md").read_text(encoding="utf-8")
SUBSCRIPTION = "8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0002"


def _blocks(heading: str) -> list[dict[str, Any]]:
    """The documents of a section."""
    section = GUIDE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [json.loads(each.replace("SUB", SUBSCRIPTION)) for each in re.findall(r"```json\n(.+?)```", section, re.DOTALL)]


def _rows(heading: str) -> dict[str, str]:
    """The rows of the tables of a section, by what stands in code in their first column."""
    section = GUIDE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| `([\w.]+)` \|(.+)\|$(?!\n\|---)", section, re.MULTILINE))


@pytest.mark.parametrize(
    ("heading", "place"), [("The role", 0), ("Access to a vault, just in time", 0), ("Access to a vault, just in time", 1)]
)
def test_each_role_of_the_guide_can_be_written(heading: str, place: int) -> None:
    """As it stands there, but for the subscription."""
    document = _blocks(heading)[place]

    assert document["type"] == read_role(RoleName("app"), document).type


def test_the_fields_of_a_delivery_are_those_that_are_read() -> None:
    """With their defaults."""
    rows = _rows("The role")

    assert {"type", "vaults", "name", "format", "required"} == {*rows}
    assert f"1 to {MAX_VAULTS} addresses" in rows["vaults"]
    assert f"`{DEFAULT_NAME}`" in rows["name"]
    assert f"at most {MAX_NAME} of them" in GUIDE


def test_each_format_has_its_content_type() -> None:
    """And no other one is told."""
    rows = _rows("Formats")

    assert set(FORMATS) == {*rows}
    assert [] == [form for form in FORMATS if not rows[form].endswith(f"| `{CONTENT_TYPES[form]}` ")]


def test_the_tags_are_those_that_are_set() -> None:
    """Of a secret of a service principal; a database has others."""
    fields = dict.fromkeys(("client_id", "tenant_id", "object_id"), "x")
    wanted = with_end(tags_of(LeaseId("web.01kjpwd6m0v3rs3dtr98h6bcfn"), fields), START)
    (sentence,) = re.findall(r"Each version has the tags (.+?), as far", GUIDE, re.DOTALL)

    assert {*wanted} == set(re.findall(r"`([\w-]+)`", sentence))


def test_the_answer_has_the_fields_of_a_delivered_credential() -> None:
    """Beside its type and its end."""
    answer = _blocks("The ask and the answer")[1]
    lies = Delivered("https://kv-app.vault.azure.net", "app", "1", START)

    assert {*lies.fields(), "type", "expires_at"} == {*answer["credential"]}
    assert lies.type == answer["credential"]["type"]


def test_the_states_are_those_of_a_delivery() -> None:
    """Each with its meaning."""
    assert set(get_args(DeliveryState.__value__)) == {*_rows("The ask and the answer")}


def test_every_consumer_of_the_table_has_a_recipe() -> None:
    """Who is told how long a lease must last is told how to read."""
    table = GUIDE.partition("\n## How long a lease must last\n")[2].partition("\n## ")[0]
    consumers = re.findall(r"^\| (App Service|API Management|AKS|a program)", table, re.MULTILINE)
    recipes = GUIDE.partition("\n## Consumers\n")[2].partition("\n## ")[0]

    assert 4 == len(consumers)
    assert [] == [each for each in consumers if f"\n**{each[0].upper()}{each[1:]}" not in recipes]


def test_every_recipe_reads_the_newest_version() -> None:
    """By the name, which the role gives; a version would be the one that is disabled next."""
    recipes = GUIDE.partition("\n## Consumers\n")[2].partition("\n## ")[0]
    (text,) = re.findall(r"```yaml\n(.+?)```", recipes, re.DOTALL)
    parameters = yaml.safe_load(text)["spec"]["parameters"]
    (mounted,) = [yaml.safe_load(each) for each in yaml.safe_load(parameters["objects"])["array"]]
    setting, linked = _blocks("Consumers")

    assert {"objectName": "orders", "objectType": "secret"} == mounted
    assert f"https://{parameters['keyvaultName']}.vault.azure.net/secrets/orders)" in setting["ORDERS_CREDENTIAL"]
    assert ("orders", False) == (linked["secretName"], "secretVersion" in linked)
    assert {"orders"} == set(re.findall(r"vault\.azure\.net/secrets/([\w/-]+)", recipes))


def test_a_vault_is_waited_for_as_long_as_the_guide_says() -> None:
    """Before the lease counts as stuck."""
    assert 7 == PATIENCE.days
    assert "seven days before it counts as stuck" in " ".join(GUIDE.split())
