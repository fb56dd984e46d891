from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations

from shared.core.idempotency_key import digest_of, fingerprint_of
from shared.core.names import LeaseId, RoleName, shard_of
from tests.fakes.world import ALICE, BOB, WEB, guid


def test_a_key_is_bound_to_tenant_caller_and_role() -> None:
    """No two cases share a digest, even where their texts run together."""
    cases = [
        digest_of(ALICE, WEB, "k"),
        digest_of(BOB, WEB, "k"),
        digest_of(replace(ALICE, tenant_id=guid(9)), WEB, "k"),
        digest_of(ALICE, RoleName("web2"), "k"),
        digest_of(ALICE, WEB, "2k"),
        digest_of(ALICE, WEB, "K"),
    ]
    assert all(one != other for one, other in combinations(cases, 2))


def test_a_digest_is_a_row_key_and_says_nothing_of_the_key() -> None:
    """Sixty-four hexadecimal digits."""
    assert re.fullmatch("[0-9a-f]{64}", digest_of(ALICE, WEB, "/#?%"))


def test_a_fingerprint_is_of_what_is_asked_for() -> None:
    """However its fields were ordered; each of them counts."""
    assert fingerprint_of(60, "x", {"a": "1", "b": "2"}) == fingerprint_of(60, "x", {"b": "2", "a": "1"})
    cases = [fingerprint_of(None, "", {}), fingerprint_of(60, "", {}), fingerprint_of(None, "x", {})]
    cases += [fingerprint_of(None, "", {"a": ""}), fingerprint_of(None, "", {"": "a"})]
    assert len(cases) == len(set(cases))


def test_a_lease_lies_in_the_shard_of_its_ulid() -> None:
    """Pinned: a change would strand the leases that exist."""
    lease_id = LeaseId("web.01kjpwd6m0v3rs3dtr98h6bcfn")
    assert shard_of("01kjpwd6m0v3rs3dtr98h6bcfn") == lease_id.shard
    assert ("06", "06") == (shard_of("123456789"), f"{0xCBF43926 % 16:02d}")
