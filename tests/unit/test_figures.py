"""Waits, limits and sizes, each as it was decided on: whoever changes one changes it here as well.

Most of them are seen nowhere else: a test with a clock of its own works with any pause, and nothing fills a limit of thousands.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import timedelta
from types import ModuleType

import httpx
import pytest

from shared.broker import access_view, force, renew, revoke
from shared.broker.ending import enqueue, poison, recall, resume, sweep
from shared.broker.issue import admission, clean_up, collect, idempotent, planning, preparations, prepare, rotate
from shared.broker.issue import attempt as issue_attempt
from shared.broker.pool import claim, fill, watch
from shared.broker.ports import Timing
from shared.broker.reconcile import drift, reconcile
from shared.cloud import access_probe, connections, inventory, limits, system, upstream
from shared.cloud.entra import identity, keys, unverified_token, verifier
from shared.cloud.entra.keys import KeyPolicy
from shared.cloud.graph import batch
from shared.cloud.storage import audit_place, audit_table, generation_table, lease_index, lease_table, queues, tables
from shared.core import azure_role, condition, idempotency_key, lease, message, names, pool, role
from shared.core.access import auth_role, bounds, claims, explanation, policy, refusals
from shared.core.parameters import kinds, known, parameter
from shared.core.readiness import probes, verdicts
from shared.issuers.application_secret import issuer as application_secret
from shared.issuers.application_secret import lock
from shared.issuers.role_grant import issuer as role_grant
from shared.issuers.role_grant import making
from shared.issuers.service_principal import certificate, choice, means, undo
from shared.issuers.service_principal import schema as service_principal_schema
from shared.kinds import attempt, client_secret, kind, role_document
from shared.resilience import rate_limit, retry, rounds
from shared.resilience.rate_limit import Limit
from shared.triggers.http import audit, dialect, edge, issuing, leases, operator, problem, requests

_FIGURES: dict[ModuleType, dict[str, object]] = {
    admission: {"_PATIENCE": 30.0, "_PAUSE": 0.05, "_LONGEST_PAUSE": 1.0},
    drift: {
        "_GRACE": timedelta(hours=1),
        "_LAST_CALL": timedelta(seconds=30),
        "_TOLD_WITHIN": timedelta(minutes=10),
        "_PAGE": 1000,
        "_SECONDS": 60.0,
    },
    enqueue: {"FEW": 32, "TOGETHER": 16, "_AT_ONCE": 4},
    force: {"_TRIES": 5, "_TOLD_AT_ONCE": 8},
    planning: {"SECRET_SLACK": timedelta(minutes=10), "LAST_CALL": timedelta(seconds=30)},
    issue_attempt: {"_REMOVAL": 10.0, "_BETWEEN_TRIES": 7.5},
    claim: {"_TRIES": 5, "_VANISHED": 2},
    fill: {"LOW_FOR": timedelta(minutes=10), "_PAGE": 200},
    watch: {"AT_ONCE": 10, "_EACH": timedelta(seconds=570)},
    pool: {
        "MAX_SIZE": 50,
        "MIN_AGE": 60,
        "_HEAD_START": 900,
        "MAX_AGE": 30 * 86400,
        "DEFAULT_AGE": 7 * 86400,
        "MOST_OF_A_ROLE": 4,
        "MOST_OF_A_RUN": 10,
        "_FIRST_WAIT": 15.0,
        "_LONGEST_WAIT": 900.0,
        "_TURN": timedelta(seconds=30),
    },
    clean_up: {"_TRIES": 3},
    collect: {"_FIRST_PAUSE": 0.5, "_LONGEST_PAUSE": 3.0, "_REMOVAL": 20.0},
    preparations: {"DEFAULT_WAIT": 45, "LONGEST_WAIT": 200, "UNFINISHED": 20, "SOON": 5},
    prepare: {"_AGAIN": 15.0},
    recall: {"_APART": 0.1},
    reconcile: {"_AT_ONCE": 4, "_SECONDS": 100.0},
    rotate: {"_USED_OF_A_ROTATION": 2, "_TRIES": 5},
    renew: {"_TRIES": 3},
    idempotent: {"_FIRST_PAUSE": 0.25, "_LONGEST_PAUSE": 2.0},
    resume: {"AT_A_GO": 200, "_PAUSE": 15.0, "_PAGE": 1000},
    revoke: {"_COUNTED_HERE": 1000},
    poison: {"_TRIES": 3},
    sweep: {"_AT_ONCE": 16, "_APART": 0.1, "_AT_MOST": 5000},
    audit_place: {"_DRIFT": timedelta(days=1)},
    audit_table: {"_PARTITIONS": 31, "_SECONDS": 10.0},
    limits: {
        "GRAPH_WRITES": Limit(3000, 20),
        "GRAPH_READS": Limit(3500, 350),
        "ARM_WRITES": Limit(200, 10),
        "ARM_READS": Limit(250, 25),
    },
    inventory: {"_PAGE": 999, "_GROUPS_AT_ONCE": 20, "_PATIENCE": 60.0},
    connections: {"CONNECT_SECONDS": 5.0, "READ_SECONDS": 30.0, "_POOL": 100, "_KEEP_ALIVE_SECONDS": 60.0},
    verifier: {"_LONGEST_KID": 256, "_LEEWAY": 60.0},
    claims: {"_LONGEST_NAME": 128},
    refusals: {"_LOOKED_AT": 100, "_SHOWN": 3},
    explanation: {"_SHOWN": 100},
    keys: {"_SHORTEST_KEY": 2048, "_TIMEOUT": httpx.Timeout(10.0, connect=5.0)},
    generation_table: {"_TRIES": 5},
    batch: {"MOST": 20, "_LINGER": 0.02, "_APART": 0.02},
    identity: {"_MARGIN": 300.0, "_RENEWAL_PAUSE": 30.0, "_RETRIES": 2},
    lease_index: {"_FEWEST": 8},
    lease_table: {"_FEW": 100},
    rounds: {"ROUNDS": 2, "TRIES": 10, "PAUSE": 2.0},
    verdicts: {"SETTLED_SECONDS": 600.0},
    probes: {"MAX_PROBES": 4, "MAX_EXPECTED": 8, "LEAST_STATUS": 200, "MOST_STATUS": 499, "MAX_URL": 2048},
    access_probe: {"_MOST_BYTES": 1 << 20, "_MOST_PAGES": 10},
    queues: {"_HEAD_START": 2, "_PAUSES": {"initial_backoff": 1, "increment_base": 2, "random_jitter_range": 1}},
    system: {"_ULID_LENGTH": 26, "_RANDOM_BITS": 80, "_JITTER_STEPS": 9_007_199_254_740_992},
    tables: {
        "CHUNK": 30_000,
        "_PAGE": 1000,
        "_OPTIONS": {"retry_total": 3, "retry_backoff_factor": 0.2, "retry_backoff_max": 2},
        "_DEAD_CONNECTIONS": 2,
        "_READ_SECONDS": 20.0,
    },
    unverified_token: {"LONGEST": 16_384},
    upstream: {"_LONGEST_TEXT": 500, "_LONGEST_WAIT": 3600.0},
    message: {"WAITS": timedelta(minutes=30)},
    rate_limit: {
        "_LEAST_SHARE": 0.1,
        "_RECOVERY_SECONDS": 150.0,
        "_RESERVE": 0.1,
        "_TURNS": 9,
        "_LEAST_WAIT": 1.0,
        "_SHORTEST_SLEEP": 0.001,
    },
    condition: {"_DEEPEST": 32, "MAX_CONDITION": 8192},
    idempotency_key: {"KEPT": timedelta(hours=24)},
    lease: {
        "ATTEMPTS_UNTIL_STUCK": 8,
        "_FIRST_WAIT": 15.0,
        "_LONGEST_WAIT": 900.0,
        "_STUCK_WAIT": 3600.0,
        "_ON_ITS_WAY": timedelta(seconds=60),
    },
    names: {"SHARDS": 16},
    parameter: {"MAX_PARAMETERS": 8, "MAX_ALLOWED": 64},
    kinds: {"MAX_BYTES": 1040},
    known: {"MOST_FILLINGS": 256},
    retry: {"_FIRST_PAUSE": 0.5, "_LONGEST_PAUSE": 5.0},
    role: {
        "MIN_TTL": 60,
        "DEFAULT_TTL": 900,
        "DEFAULT_MAX_TTL": 14_400,
        "MAX_TTL": 2_592_000,
    },
    kind: {"SUSPECTS": 200},
    azure_role: {"MAX_AZURE_ROLES": 32},
    bounds: {"MAX_VALUES": 256, "_LONGEST_PATTERN": 1024},
    policy: {"MAX_RULES": 256, "_LONGEST_PATH": 256},
    auth_role: {"MAX_POLICIES": 64},
    access_view: {"_BELIEVED": 15.0},
    role_document: {"MAX_LIVE": 1_000_000},
    service_principal_schema: {"MAX_AZURE_GROUPS": 32, "MAX_TAGS": 16, "LONGEST_PERSONAL": 53},
    application_secret: {
        "_COUNTING": 5.0,
        "MOST_CREDENTIALS": 600,
        "MOST_FOR_PERSONAL_ACCOUNTS": 2,
        "SCARCE": 50,
    },
    client_secret: {"_ABSENCE_PATIENCE": 10.0, "_DOUBT_PAUSE": 0.5},
    means: {"_DOUBT": 45.0},
    choice: {"MAX_TOKEN_SCOPES": 8, "MAX_FEDERATED_IDENTITIES": 16, "LONGEST": 600},
    certificate: {"LONGEST_PEM": 16_384, "LEAST_BITS": 2048, "MOST_BITS": 4096, "EXPONENT": 65_537},
    lock: {
        "LASTS": 10.0,
        "IN_A_ROW": 8,
        "_FIRST_PAUSE": 0.1,
        "_LONGEST_PAUSE": 0.5,
        "_LET_OTHERS": 0.8,
    },
    attempt: {"_ABSENCE_PATIENCE": 10.0},
    undo: {"_BIN_PATIENCE": 30.0},
    role_grant: {"_LOOK": 60.0},
    making: {"_PATIENCE": 10.0, "_PAUSE": 1.0},
    audit: {"_AUDIT_SPAN": timedelta(days=1), "_LONGEST_SPAN": timedelta(days=31)},
    dialect: {"_LONGEST_TOKEN": 16_384},
    edge: {"_LONGEST_REASON": 512},
    issuing: {"_PAIRS": 16, "_KEY": 64, "_VALUE": 256},
    leases: {"_LOOK_AGAIN": 15},
    problem: {"_MOST_FAULTS": 100},
    requests: {"MAX_BODY": 65_536, "MAX_PAGE": 1000, "MAX_PARAMETERS": 64, "MAX_DEPTH": 64},
    operator: {"_MOST_FINDINGS": 1000},
}


@pytest.mark.parametrize("module", _FIGURES, ids=lambda module: module.__name__)
def test_every_figure_is_the_one_decided_on(module: ModuleType) -> None:
    """Seconds, characters and counts."""
    assert _FIGURES[module] == {name: vars(module)[name] for name in _FIGURES[module]}


def test_the_broker_takes_these_times_unless_a_setting_says_otherwise() -> None:
    """Seconds; how long ended leases are kept in days."""
    timing = Timing()
    assert {
        "mint": 180.0,
        "throttled": 60.0,
        "inline_undo": 20.0,
        "sweep_undo": 60.0,
        "sweep": 110.0,
        "events": 10.0,
        "asked_sweep": 100.0,
        "rotation": 60.0,
        "repeat": 190.0,
        "message": 60.0,
        "proving": 100.0,
        "turn": 20.0,
        "lease_lock": 20.0,
        "settle": 180.0,
        "retention": timedelta(days=7),
        "collect": 900.0,
        "grace": 600.0,
        "prepare": 900.0,
    } == {each.name: getattr(timing, each.name) for each in fields(timing)}


def test_a_tenants_keys_are_looked_up_at_these_times() -> None:
    """Seconds, and how many unknown keys are remembered."""
    policy = KeyPolicy()
    assert (3600.0, 90_000.0) == (policy.fresh, policy.usable)
    assert (10.0, 300.0, 10.0) == (policy.pause, policy.longest_pause, policy.pause_after_failure)
    assert 256 == policy.most_missing
