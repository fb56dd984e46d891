"""What the names of shared secrets stand for: the fake and Table Storage keep one contract."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from shared.core.errors import LostRace
from shared.core.names import LeaseId
from shared.core.ports.secret_names import NameClaim, SecretName
from tests.contract.stores import Stores
from tests.fakes.vaults import OTHER_VAULT, VAULT
from tests.fakes.world import WEB

NAME = SecretName(VAULT, "database")
FIRST = NameClaim(LeaseId.of(WEB, "0" * 26), "a" * 64)
SECOND = replace(FIRST, lease=LeaseId.of(WEB, "1" * 26), target_digest="b" * 64)


async def test_a_name_that_was_never_used_has_no_claim(stores: Stores) -> None:
    """And then it has the one that was put there."""
    assert await stores.secret_names.find(NAME) is None
    claimed = await stores.secret_names.claim(NAME, FIRST, former=None)
    assert claimed.version
    assert claimed == await stores.secret_names.find(NAME)
    assert FIRST == replace(claimed, version="")


@pytest.mark.parametrize("other", [SecretName(OTHER_VAULT, "database"), SecretName(VAULT, "database-2")])
async def test_another_name_and_another_vault_have_claims_of_their_own(stores: Stores, other: SecretName) -> None:
    """Key Vault's names have no case."""
    claimed = await stores.secret_names.claim(NAME, FIRST, former=None)
    assert await stores.secret_names.find(other) is None
    assert claimed == await stores.secret_names.find(SecretName(VAULT, "DataBase"))


async def test_a_claim_is_put_in_place_of_the_one_that_was_read(stores: Stores) -> None:
    """Whoever has read another one reads again."""
    first = await stores.secret_names.claim(NAME, FIRST, former=None)
    with pytest.raises(LostRace):
        await stores.secret_names.claim(NAME, SECOND, former=None)
    second = await stores.secret_names.claim(NAME, SECOND, former=first)
    with pytest.raises(LostRace):
        await stores.secret_names.claim(NAME, SECOND, former=first)
    assert second == await stores.secret_names.find(NAME)


async def test_a_version_never_comes_back(stores: Stores) -> None:
    """Not even if the same is written again: who works under a claim sees that others came in between."""
    first = await stores.secret_names.claim(NAME, FIRST, former=None)
    second = await stores.secret_names.claim(NAME, SECOND, former=first)
    third = await stores.secret_names.claim(NAME, FIRST, former=second)
    assert 3 == len({first.version, second.version, third.version})


async def test_of_several_at_once_one_has_the_name(stores: Stores) -> None:
    """The others lose."""
    tried = (stores.secret_names.claim(NAME, each, former=None) for each in (FIRST, SECOND, FIRST))
    made = await asyncio.gather(*tried, return_exceptions=True)
    assert 2 == sum(isinstance(each, LostRace) for each in made)
    assert await stores.secret_names.find(NAME) in made
