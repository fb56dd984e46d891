"""Requests drawn from the contract, as three callers: each answer is one of the contract, and none is a fault of the broker."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.triggers.http import groups
from tests.e2e.any_request import EXPECTED, Asking, ask, with_policies
from tests.e2e.conftest import Deployment

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_expected_statuses_are_of_calls_that_there_are() -> None:
    """A call that goes takes its exceptions with it."""
    assert set() == {call for each in EXPECTED for call in each.calls} - {route.name for route in groups.routes()}


async def test_a_stranger_gets_answers_of_the_contract(deployment: Deployment, tmp_path: Path) -> None:
    """Somebody with a good token and no right at all."""
    await ask(deployment, "stranger", Asking(("fuzzing",), 3), tmp_path)


async def test_a_caller_with_policies_gets_answers_of_the_contract(deployment: Deployment, tmp_path: Path) -> None:
    """It issues, renews and revokes, reads what policies let it read, and is refused the rest."""
    asking = Asking(("examples", "fuzzing"), 4, await with_policies(deployment, "vm-web"))
    await ask(deployment, "vm-web", asking, tmp_path)


async def test_an_admin_gets_answers_of_the_contract(deployment: Deployment, tmp_path: Path) -> None:
    """Each field at random, and calls one after the other. Last, for it deletes what it finds."""
    asking = Asking(("examples", "fuzzing", "stateful"), 6)
    await ask(deployment, "admin", asking, tmp_path)
