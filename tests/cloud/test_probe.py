from __future__ import annotations

import logging
from datetime import timedelta
from urllib.parse import parse_qs

import httpx
import pytest

from shared.cloud.entra.probe import TokenProbe
from shared.core.names import ObjectId
from shared.core.readiness.errors import NeverReady
from shared.core.secret import Secret
from tests.cloud.scripted import Scripted
from tests.fakes.clock import FakeClock

TENANT = ObjectId("bbbbbbbb-0000-4000-8000-000000000001")
CLIENT = ObjectId("bbbbbbbb-0000-4000-8000-000000000002")
SECRET = Secret("s3cret~text")


@pytest.fixture
def entra() -> Scripted:
    """Entra ID's token endpoint."""
    return Scripted()


@pytest.fixture
def probe(entra: Scripted, clock: FakeClock) -> TokenProbe:
    """What is tested."""
    scope = "https://management.example/.default"
    return TokenProbe(entra.client(), clock, "https://login.example", TENANT, scope)


async def signs_in(probe: TokenProbe, seconds: float = 60) -> bool:
    """Whether the secret works before so many seconds have passed."""
    return await probe.signs_in(CLIENT, SECRET, deadline=probe.clock.monotonic() + seconds)


def yes() -> httpx.Response:
    """A token."""
    return httpx.Response(200, json={"token_type": "Bearer", "expires_in": 3599, "access_token": "t0ken"})


def no(code: int, status: int = 400) -> httpx.Response:
    """A refusal with an AADSTS code."""
    return httpx.Response(status, json={"error": "x", "error_description": f"AADSTS{code}: no", "error_codes": [code]})


def whole() -> list[httpx.Response]:
    """A round in which every try succeeds."""
    return [yes() for _ in range(10)]


async def test_two_whole_rounds_of_ten_are_dependable(probe: TokenProbe, entra: Scripted, clock: FakeClock) -> None:
    """With a pause between them, so that they are not one moment of the replicas."""
    began = clock.monotonic()
    entra.will(*whole(), *whole())
    assert await signs_in(probe)
    assert [2.0, 20] == [clock.monotonic() - began, len(entra.calls)]


async def test_a_round_stops_at_its_first_no(probe: TokenProbe, entra: Scripted, clock: FakeClock) -> None:
    """Two seconds later the first begins again."""
    began = clock.monotonic()
    entra.will(*whole()[:3], no(700016), no(7000215), *whole(), *whole())
    assert await signs_in(probe)
    assert [] == entra.steps
    assert 6.0 == clock.monotonic() - began


async def test_asks_as_the_caller_will(probe: TokenProbe, entra: Scripted) -> None:
    """Client credentials, at the tenant's own endpoint."""
    entra.will(*whole(), *whole())
    await signs_in(probe)
    assert f"POST /{TENANT}/oauth2/v2.0/token" == entra.lines[0]
    expected = {
        "grant_type": ["client_credentials"],
        "client_id": [CLIENT],
        "client_secret": ["s3cret~text"],
        "scope": ["https://management.example/.default"],
    }
    assert expected == parse_qs(entra.calls[0].content.decode())


async def test_each_attempt_closes_its_connection(probe: TokenProbe, entra: Scripted) -> None:
    """The next may meet another front end."""
    entra.will(*whole(), *whole())
    await signs_in(probe)
    assert {"close"} == {call.headers["connection"] for call in entra.calls}


@pytest.mark.parametrize("code", [700016, 7000215, 7000229, 70021, 700211, 700213, 50000, 52999, 53012, 1234567])
async def test_what_is_not_replicated_yet_is_waited_for(probe: TokenProbe, entra: Scripted, code: int) -> None:
    """Application, secret, service principal, federated credential; and whatever nobody has listed: codes change."""
    entra.will(no(code, 401), no(code), *whole(), *whole())
    assert await signs_in(probe)


async def test_a_no_after_a_yes_starts_the_count_again(probe: TokenProbe, entra: Scripted) -> None:
    """One success proves nothing."""
    entra.will(yes(), yes(), no(700016), yes(), yes(), no(700016), *whole(), *whole())
    assert await signs_in(probe)
    assert [] == entra.steps


async def test_gives_up_in_time(probe: TokenProbe, entra: Scripted, clock: FakeClock) -> None:
    """No attempt begins after the deadline."""
    began = clock.monotonic()
    entra.will(*(no(700016) for _ in range(100)))
    assert not await signs_in(probe, seconds=10)
    assert [8.0, 5] == [clock.monotonic() - began, len(entra.calls)]


async def test_one_round_before_the_deadline_is_not_enough(probe: TokenProbe, entra: Scripted) -> None:
    """It was not seen to be dependable."""
    entra.will(*whole())
    assert not await signs_in(probe, seconds=1.5)


HOPELESS = (*range(53000, 53012), 530031, 530032, 530034, 530035, 90002, 500011, 7000112, 7000222)
HOPELESS_ASSERTIONS = (700222, 700226, 700229, 700231, 700236, 7002138)


@pytest.mark.parametrize("code", [*HOPELESS, *HOPELESS_ASSERTIONS])
async def test_a_definite_no_ends_it_and_is_logged(
    probe: TokenProbe, entra: Scripted, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    """Waiting does not help against an expired secret or a disabled application."""
    entra.will(no(code, 401))
    with caplog.at_level(logging.WARNING), pytest.raises(NeverReady) as raised:
        await signs_in(probe)
    assert 1 == len(entra.calls)
    assert str(code) in caplog.text
    assert ("azure_refused", f"AADSTS{code}", 401) == (raised.value.code, raised.value.azure_code, raised.value.status)
    assert f"AADSTS{code}" in raised.value.audit_reason


@pytest.mark.parametrize(("code", "is_gone"), [(700016, True), (7000229, True), (7000215, False), (70021, False)])
async def test_what_was_there_for_ten_minutes_and_is_absent_is_gone(
    probe: TokenProbe, entra: Scripted, clock: FakeClock, code: int, *, is_gone: bool
) -> None:
    """The secret itself is fresh: that it is not known is waited for."""
    since = clock.now() - timedelta(minutes=10)
    entra.will(no(code), *whole(), *whole())
    proof = probe.signs_in(CLIENT, SECRET, deadline=clock.monotonic() + 60, since=since)
    if is_gone:
        with pytest.raises(NeverReady):
            await proof
    else:
        assert await proof


async def test_what_is_younger_than_ten_minutes_is_waited_for(probe: TokenProbe, entra: Scripted, clock: FakeClock) -> None:
    """It gets older meanwhile: then it is gone."""
    since = clock.now() - timedelta(minutes=9, seconds=57)
    entra.will(no(700016), no(700016), no(700016))
    with pytest.raises(NeverReady):
        await probe.signs_in(CLIENT, SECRET, deadline=clock.monotonic() + 60, since=since)
    assert 3 == len(entra.calls)


async def test_the_log_says_what_kept_it_from_being_proven(
    probe: TokenProbe, entra: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    """The last refusal."""
    entra.will(no(700016), no(7000215, 401), no(7000215, 401))
    with caplog.at_level(logging.INFO):
        assert not await signs_in(probe, seconds=5)
    assert "the last refusal: AADSTS7000215 (401)" in caplog.text


@pytest.mark.parametrize(
    "step",
    [
        httpx.ReadTimeout("late"),
        httpx.ConnectError("no route"),
        httpx.Response(500),
        httpx.Response(503, text="<html>"),
        httpx.Response(429),
        httpx.Response(200, text="<html>a proxy's page"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"access_token": None}),
    ],
)
async def test_trouble_is_no_verdict(probe: TokenProbe, entra: Scripted, step: httpx.Response | Exception) -> None:
    """That try is made again: a round is ended by a no alone."""
    entra.will(yes(), yes(), step, *whole()[2:], *whole())
    assert await signs_in(probe)
    assert [] == entra.steps


async def test_waits_as_long_as_it_is_told_to(probe: TokenProbe, entra: Scripted, clock: FakeClock) -> None:
    """``Retry-After`` is obeyed."""
    began = clock.monotonic()
    entra.will(httpx.Response(429, headers={"retry-after": "20"}), *whole(), *whole())
    assert await signs_in(probe)
    assert 22.0 == clock.monotonic() - began
    entra.will(httpx.Response(429, headers={"retry-after": "20"}), *whole())
    assert not await signs_in(probe, seconds=10)
    assert 10 == len(entra.steps)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(400, text="<html>"),
        httpx.Response(400, json=[]),
        httpx.Response(403),
        httpx.Response(400, json={"error_codes": [[53000], None]}),
    ],
)
async def test_a_refusal_in_no_known_shape_may_pass(probe: TokenProbe, entra: Scripted, answer: httpx.Response) -> None:
    """Nothing says that it would not."""
    entra.will(answer, *whole(), *whole())
    assert await signs_in(probe)


async def test_neither_secret_nor_token_reaches_the_log(
    probe: TokenProbe, entra: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    """At any level."""
    entra.will(no(7000215), httpx.ReadTimeout("late"), *whole(), *whole())
    with caplog.at_level(logging.DEBUG):
        await signs_in(probe)
    assert "s3cret" not in caplog.text
    assert "t0ken" not in caplog.text
