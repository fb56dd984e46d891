"""Rules for what goes wrong: which calls they strike, how often, and what is refused as a rule."""

from __future__ import annotations

import random
from typing import Any

import pytest

from local.cloud.disturbances.faults import Faults
from local.cloud.engine.effects import Answer, Delay
from local.cloud.engine.errors import InputError


def _faults(*rules: dict[str, Any]) -> Faults:
    faults = Faults()
    faults.replace(list(rules))
    return faults


def test_strikes_the_calls_it_names() -> None:
    """Service, method and path all have to fit; the path is searched for."""
    faults = _faults({"service": "graph", "method": "post", "path": "addPass", "effect": {"status": 429, "code": "T"}})
    strikes = [
        faults.strike("arm", "POST", "/v1.0/applications/1/addPassword"),
        faults.strike("graph", "GET", "/v1.0/applications/1/addPassword"),
        faults.strike("graph", "POST", "/v1.0/applications"),
        faults.strike("graph", "POST", "/v1.0/applications/1/addPassword"),
    ]
    assert [None, None, None, Answer(429, "T")] == strikes


def test_strikes_as_often_as_asked() -> None:
    """Once by default, ``times`` else, for ever with null."""
    effect = {"effect": "timeout"}
    counts = [
        sum(faults.strike("arm", "GET", "/") is not None for _ in range(5))
        for faults in (_faults(effect), _faults(effect | {"times": 3}), _faults(effect | {"times": None}))
    ]
    assert [1, 3, 5] == counts


def test_lets_the_first_calls_pass() -> None:
    """``skip`` chooses which of several like calls is struck."""
    faults = _faults({"effect": "drop_after_effect", "skip": 2})
    strikes = [faults.strike("arm", "PUT", "/") for _ in range(4)]
    assert [None, None, "drop_after_effect", None] == strikes


def test_strikes_with_the_probability_asked() -> None:
    """Seeded chance decides."""
    faults = _faults({"effect": "timeout", "times": None, "probability": 0.25})
    faults.chance = random.Random(1)
    struck = sum(faults.strike("arm", "GET", "/") is not None for _ in range(2_000))
    assert struck == pytest.approx(500, rel=0.15)


def test_the_first_rule_that_fits_strikes() -> None:
    """Rules are tried in order; one that is used up steps aside."""
    faults = _faults({"effect": {"status": 503, "code": "A"}}, {"effect": {"status": 500, "code": "B"}})
    strikes = [faults.strike("arm", "GET", "/") for _ in range(3)]
    assert [Answer(503, "A"), Answer(500, "B"), None] == strikes


def test_lists_what_is_left() -> None:
    """A test can see that its fault has been used."""
    faults = _faults({"effect": "timeout", "times": 2}, {"effect": {"delay": 1}})
    faults.strike("arm", "GET", "/")
    faults.strike("arm", "GET", "/")
    assert [{"delay": 1.0}] == [rule.as_json()["effect"] for rule in faults.left()]


def test_adds_to_the_rules_in_force() -> None:
    """Posting adds where putting replaces."""
    faults = _faults({"effect": "timeout"})
    faults.add([{"effect": "drop_after_effect"}])
    assert ["timeout", "drop_after_effect"] == [rule.effect for rule in faults.left()]


def test_entras_refusals_have_a_number() -> None:
    """It is listed with what is left of the rule."""
    effect = {"status": 400, "code": "unauthorized_client", "aadsts": 7000112}
    faults = _faults({"service": "entra", "times": None, "effect": effect})
    assert Answer(400, "unauthorized_client", None, 7000112) == faults.strike("entra", "POST", "/x/oauth2/v2.0/token")
    assert [effect | {"retry_after": None}] == [rule.as_json()["effect"] for rule in faults.left()]


@pytest.mark.parametrize("rule", [{"effect": {"delay": 2}}, {"effect": "delay", "seconds": 2}])
def test_a_delay_has_seconds(rule: dict[str, Any]) -> None:
    """Both spellings are understood."""
    assert Delay(2.0) == _faults(rule).strike("arm", "GET", "/")


@pytest.mark.parametrize(
    "rule",
    [
        "timeout",
        {},
        {"effect": "explode"},
        {"effect": {"status": "500"}},
        {"effect": {"status": 99}},
        {"effect": {"status": 500, "why": "?"}},
        {"effect": {"status": 400, "aadsts": 700016}},
        {"service": "graph", "effect": {"status": 400, "aadsts": 700016}},
        {"service": "entra", "effect": {"status": 400, "aadsts": "700016"}},
        {"service": "entra", "effect": {"status": 400, "aadsts": 0}},
        {"service": "entra", "effect": {"status": 400, "aadsts": True}},
        {"service": "entra", "effect": {"aadsts": 700016}},
        {"effect": "delay"},
        {"effect": {"delay": -1}},
        {"effect": "timeout", "times": -1},
        {"effect": "timeout", "times": True},
        {"effect": "timeout", "skip": None},
        {"effect": "timeout", "probability": 2},
        {"effect": "timeout", "path": "("},
        {"effect": "timeout", "service": 1},
        {"effect": "timeout", "paht": "/"},
    ],
)
def test_refuses_what_is_not_a_rule(rule: Any) -> None:
    """A mistake in a test must not read as no fault."""
    with pytest.raises(InputError):
        Faults().replace([rule])
