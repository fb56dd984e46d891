"""The asynchronous answer over HTTP: the ask, the polls, and the collection."""

from __future__ import annotations

import json

import pytest

from shared.core.errors import Unavailable
from shared.core.message import write_preparation
from shared.core.names import LeaseId
from tests.broker.preparing import unproven
from tests.fakes.world import WEB, principal_target, role
from tests.triggers.app import HOST, Answer, App
from tests.triggers.test_queues import deliver, functions_of

ISSUE = "/api/v1/roles/web/leases"
ASYNC = {"prefer": "respond-async"}


async def asked(app: App, **headers: str) -> Answer:
    """Alice asks, and does not wait."""
    return await app.call("POST", ISSUE, headers=ASYNC | headers)


def path_of(answer: Answer) -> str:
    """Where the answer leads to."""
    return answer.headers["location"].removeprefix(HOST)


async def prepared(app: App) -> str:
    """The path at which a prepared lease can be collected."""
    answer = await asked(app)
    await deliver(app, "preparations", write_preparation(LeaseId(answer.json["lease"]["id"])))
    return path_of(answer)


async def test_an_ask_that_does_not_wait_is_told_where_its_credential_will_be(app: App) -> None:
    """By an absolute address, whatever host the request names."""
    answer = await asked(app, host="evil.example", **{"x-forwarded-host": "evil.example"})
    lease = answer.json["lease"]
    url = f"{HOST}/api/v1/leases/{lease['id']}/credential"
    assert (202, url, "15") == (answer.status, answer.headers["location"], answer.headers["retry-after"])
    assert {"method": "GET", "url": url, "after": 15} == answer.json["next"]
    assert ("planned", None, None, None) == tuple(
        lease[each] for each in ("state", "issued_at", "expires_at", "max_expires_at")
    )
    assert "respond-async" == answer.headers["preference-applied"]
    assert "credential" not in answer.json


async def test_a_poll_is_told_to_come_back_until_the_credential_is_there(app: App) -> None:
    """The same headers, every time; then the credential, in an answer that nobody may keep."""
    first = await asked(app)
    path = path_of(first)
    poll = await app.call("GET", path, headers={"prefer": "wait=1"})
    assert (202, first.headers["location"], "15") == (poll.status, poll.headers["location"], poll.headers["retry-after"])
    assert first.json["next"] == poll.json["next"]
    await deliver(app, "preparations", write_preparation(LeaseId(first.json["lease"]["id"])))
    listed = await app.call("GET", path.removesuffix("/credential"))
    assert ("prepared", True) == (listed.json["state"], "collect_by" in listed.json)
    done = await app.call("GET", path)
    assert (200, "active") == (done.status, done.json["lease"]["state"])
    assert done.json["credential"]["client_secret"]
    assert done.json["lease"]["issued_at"]
    for answer in (poll, done):
        assert ("no-store", "Authorization, Prefer") == (answer.headers["cache-control"], answer.headers["vary"])


async def test_every_status_says_on_what_it_depends(app: App) -> None:
    """Refusals as well, and those of a caller that nobody knows."""
    path = await prepared(app)
    answers = [
        await app.call("GET", path, token="bob.token.x"),
        await app.call("GET", path, token=None),
        await app.call("GET", "/api/v1/leases/nonsense/credential"),
        await app.call("HEAD", path),
        await app.call("POST", path),
    ]
    assert [404, 401, 400, 405, 405] == [each.status for each in answers]
    for each in answers:
        assert ("no-store", "Authorization, Prefer") == (each.headers["cache-control"], each.headers["vary"])


async def test_head_is_no_way_to_collect(app: App) -> None:
    """It would have a credential made that nobody gets."""
    answer = await app.call("HEAD", await prepared(app))
    assert (405, "GET") == (answer.status, answer.headers["allow"])
    assert not [call for call in app.world.calls.made if call.name.endswith(".add_secret")]


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_nothing_happens_while_the_brokers_address_is_not_known(app: App, method: str) -> None:
    """It would end in an answer that leads nowhere."""
    path = await prepared(app)
    app.public_url = ""
    before = len(app.world.calls.made)
    answer = await app.call(method, path if method == "GET" else ISSUE, headers=ASYNC)
    assert (500, "misconfigured") == (answer.status, answer.code)
    names = {call.name for call in app.world.calls.made[before:]}
    assert not names & {"leases.open", "leases.swap", "directory.add_secret"}


async def test_a_credential_is_collected_once_but_for_the_grace(app: App) -> None:
    """Then the answer says what to do."""
    path = await prepared(app)
    first, again = await app.call("GET", path), await app.call("GET", path)
    secrets = [each.json["credential"]["client_secret"] for each in (first, again)]
    assert 2 == len({*secrets})
    app.world.clock.jump(600)
    gone = await app.call("GET", path)
    assert (410, "credential_collected") == (gone.status, gone.code)
    assert "another Idempotency-Key" in gone.json["detail"]
    app.world.clock.jump(400)
    ended = await app.call("GET", path)
    assert (410, "lease_ended") == (ended.status, ended.code)


async def test_a_lease_that_failed_tells_the_code_that_it_would_have_had(app: App) -> None:
    """As ``cause``."""
    answer = await asked(app)
    app.world.clock.jump(60)
    app.world.roles.keep(role(principal_target(1, 0)))
    await deliver(app, "preparations", write_preparation(LeaseId(answer.json["lease"]["id"])))
    failed = await app.call("GET", path_of(answer))
    assert (409, "preparation_failed", "role_changed") == (failed.status, failed.code, failed.json["cause"])


async def test_a_plain_ask_whose_credential_is_not_proven_in_time_is_a_202(app: App) -> None:
    """No unproven one leaves, unless the caller says that it takes it."""
    app.world.roles.keep(role(principal_target(1, 0, ready="token")))
    with unproven():
        answer = await app.call("POST", ISSUE, headers={"prefer": "wait=20"})
        lenient = await app.call("POST", ISSUE, headers={"prefer": "handling=lenient"})
    assert (202, "prepared", "wait=20") == (
        answer.status,
        answer.json["lease"]["state"],
        answer.headers["preference-applied"],
    )
    assert (201, "pending", "handling=lenient") == (
        lenient.status,
        lenient.json["lease"]["ready"],
        lenient.headers["preference-applied"],
    )
    assert 200 == (await app.call("GET", path_of(answer))).status


async def test_of_too_many_asks_the_last_is_refused(app: App) -> None:
    """It says when to come back."""
    for _ in range(20):
        assert 202 == (await asked(app)).status
    answer = await asked(app)
    assert (429, "too_many_preparations", "15") == (answer.status, answer.code, answer.headers["retry-after"])


async def test_ask_and_poll_under_one_key_meet_one_lease(app: App) -> None:
    """A repeat of the ask is answered alike."""
    key = {"idempotency-key": "run-1"}
    first, again = await asked(app, **key), await asked(app, **key)
    assert (202, path_of(first)) == (again.status, path_of(again))


async def test_a_poll_is_no_event_and_a_refused_one_is(app: App) -> None:
    """What was handed out is."""
    asking = await asked(app)
    path = path_of(asking)
    assert 202 == (await app.call("GET", path, headers=ASYNC)).status
    await deliver(app, "preparations", write_preparation(LeaseId(asking.json["lease"]["id"])))
    assert ["prepare"] == [each.operation for each in app.world.audit.events]
    await app.call("GET", path, token="bob.token.x")
    await app.call("GET", path)
    assert [("prepare", "done"), ("collect", "refused"), ("issue", "done")] == app.world.audit.told()


@pytest.mark.parametrize("queue", ["preparations", "fillings"])
async def test_the_queues_of_leases_to_prepare_have_a_function_each(app: App, queue: str) -> None:
    """In the host's own storage. The host counts what it takes at once for each function: neither queue holds up the other."""
    (binding,) = json.loads(functions_of(app)[queue].get_function_json())["bindings"]
    assert ("queueTrigger", queue) == (binding["type"], binding["queueName"])
    assert "AzureWebJobsStorage" == binding["connection"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"form":2,"lease":"web.01"}', '{"lease":7}', '{"lease":"Web"}', b"\xff"])
async def test_a_message_that_cannot_be_read_is_dropped(app: App, text: str | bytes, caplog: pytest.LogCaptureFixture) -> None:
    """It names no lease, and its text is not logged."""
    await deliver(app, "preparations", text)
    assert "message m-1 cannot be read, and is dropped" in caplog.text


async def test_a_message_never_fails(app: App, caplog: pytest.LogCaptureFixture) -> None:
    """The sweep sends another: a lease must not become poison because storage was away."""
    answer = await asked(app)
    app.world.calls.fail("leases.get", Unavailable(status=503), times=1000)
    await deliver(app, "preparations", write_preparation(LeaseId(answer.json["lease"]["id"])))
    assert "is left to the sweep" in caplog.text
    assert WEB == answer.json["lease"]["role"]
