"""The policy of API Management: well-formed, in the order that its language wants, and true to the served contract."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

ROOT = Path(__file__).parents[2]
POLICY = ET.parse(ROOT / "samples" / "api-management" / "policy.xml").getroot()
CONTRACT: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
ROLE = json.loads((ROOT / "samples" / "roles" / "reader-token.json").read_text(encoding="utf-8"))
_INDEXED = re.compile(r'\["([a-z_]+)"\]')


def _texts() -> Iterator[str]:
    """Every expression and every value of the policy."""
    for each in POLICY.iter():
        yield from each.attrib.values()
        if each.text and each.text.strip():
            yield each.text.strip()


def _one(tag: str) -> ET.Element:
    (found,) = POLICY.iter(tag)
    return found


def test_it_asks_for_a_lease_of_a_role_that_is_among_the_samples() -> None:
    """By a path and a method of the contract, as JSON that the contract takes."""
    sent = _one("send-request")
    url, method = sent.findtext("set-url"), sent.findtext("set-method")
    assert url is not None
    assert method is not None
    path = url.removeprefix("{{leasehold-url}}").removeprefix("/api/v1").replace("reader-token", "{role}")
    paths = {each.removeprefix("/api/v1"): calls for each, calls in CONTRACT["paths"].items()}
    call = paths[path][method.lower()]
    assert "201" in call["responses"]
    body = json.loads(sent.findtext("set-body") or "")
    assert {*body} <= {*CONTRACT["components"]["schemas"]["Ask"]["properties"]}
    assert "token" == ROLE["credential"]


def test_it_reads_fields_that_the_answer_has() -> None:
    """Of a token's credential; its own variables beside them."""
    variables = {each.get("name") for each in POLICY.iter("set-variable")} | {"own", "leased", "token"}
    read = {name for text in _texts() for name in _INDEXED.findall(text)} - variables
    schemas = CONTRACT["components"]["schemas"]
    tokens = [each["properties"] for each in schemas["Credential"]["oneOf"] if "access_token" in each["properties"]]
    assert {"access_token", "expires_at"} == read
    assert all(read <= {*each} for each in tokens)
    assert "credential" in schemas["Issued"]["properties"]


def test_it_signs_in_by_its_managed_identity_before_it_asks() -> None:
    """And no secret stands in the policy."""
    order = [each.tag for each in POLICY.iter() if each.tag in {"authentication-managed-identity", "send-request"}]
    assert ["authentication-managed-identity", "send-request"] == order
    assert "{{leasehold-audience}}" == _one("authentication-managed-identity").get("resource")


def test_it_keeps_the_token_inside_for_two_thirds_of_its_life() -> None:
    """Under the key under which it looks for it."""
    stored, looked_for = _one("cache-store-value"), _one("cache-lookup-value")
    assert stored.get("key") == looked_for.get("key")
    assert {"internal"} == {stored.get("caching-type"), looked_for.get("caching-type")}
    duration = stored.get("duration") or ""
    assert "expires_at" in duration
    assert "* 2 / 3" in duration


def test_an_answer_without_a_credential_tells_the_caller_to_come_back() -> None:
    """The API's own caller waits for nothing."""
    answer = _one("return-response")
    assert "503" == answer.find("set-status").get("code")  # type: ignore[union-attr]  # it is there
    assert ["Retry-After"] == [each.get("name") for each in answer.iter("set-header")]
    assert int(_one("send-request").get("timeout") or 0) > 50
    wait = next(each for each in _one("send-request").iter("set-header") if each.get("name") == "Prefer")
    assert "wait=50" == wait.findtext("value")


def test_requests_that_find_the_cache_empty_share_a_lease() -> None:
    """They ask under one key, which changes often enough that none stands for a lease that has ended."""
    key = next(each for each in _one("send-request").iter("set-header") if each.get("name") == "Idempotency-Key")
    assert "context.Deployment.ServiceId" in (key.findtext("value") or "")
    assert "TicksPerMinute / 5" in (key.findtext("value") or "")
    assert ROLE["ttl"] == "15m"


def test_every_part_of_a_policy_is_there_and_takes_over_what_stands_above() -> None:
    """API Management refuses a policy that lacks one: https://learn.microsoft.com/azure/api-management/api-management-howto-policies."""
    assert ["inbound", "backend", "outbound", "on-error"] == [each.tag for each in POLICY]
    assert all(section.find("base") is not None for section in POLICY)
