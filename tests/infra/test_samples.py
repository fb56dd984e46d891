"""What the samples say, without running them whole: their roles, and what a service does with them on a bad day."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.samples import http_actions
from tests.support.samples.branches import FAILED, SUCCEEDED, NoOrderError, run_all
from tests.support.samples.connectors import Dataverse
from tests.support.samples.data_factory import PipelineRun
from tests.support.samples.expressions import COMMON, ExpressionError, evaluate
from tests.support.samples.http_actions import Action, Retries
from tests.support.samples.logic_apps import Run

SAMPLES = Path(__file__).parents[2] / "samples"
FILES = [path for path in SAMPLES.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
ADDRESS = "https://broker.example/api/v1/leases/reader-token.1/credential"
LEASED = {"lease": {"id": "reader-token.1", "scopes": ["/subscriptions/s"]}, "credential": {"access_token": "t"}}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses of a service take no time to speak of; its limit of half an hour takes six seconds."""
    monkeypatch.setattr(http_actions, "FASTER", 300)


class Scripted:
    """Answers one after the other, whatever is asked, and keeps the requests."""

    def __init__(self, *answers: httpx.Response) -> None:
        self._left = list(answers)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """The next answer."""
        self.requests.append(request)
        return self._left.pop(0)

    def client(self) -> httpx.AsyncClient:
        """Whoever asks here."""
        return httpx.AsyncClient(transport=httpx.MockTransport(self))

    @property
    def asked(self) -> list[str]:
        """What was asked, in short."""
        return [f"{each.method} {each.url.host}{each.url.path}" for each in self.requests]


class Endless(Scripted):
    """A credential that is never there."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Come back."""
        self.requests.append(request)
        return accepted()


def accepted(location: str = ADDRESS) -> httpx.Response:
    """A 202."""
    return httpx.Response(202, json={"lease": {"id": "reader-token.1"}}, headers={"location": location, "retry-after": "1"})


async def tokens(resource: str) -> str:
    """Which resource a token is for can be read in it."""
    return f"for-{resource}"


def workflow(script: Scripted, name: str = "logic-apps/workflow.json") -> Run:
    """The sample, at a broker that answers as the script says."""
    document = json.loads((SAMPLES / name).read_text())
    return Run(document, script.client(), tokens, {"broker_url": "https://broker.example", "audience": "api://broker"})


def pipeline(script: Scripted) -> PipelineRun:
    """The same of Data Factory."""
    document = json.loads((SAMPLES / "data-factory" / "pipeline.json").read_text())
    given = {"broker_url": "https://broker.example", "audience": "api://broker"}
    return PipelineRun(document, script.client(), tokens, given)


def test_every_role_that_a_sample_asks_for_is_there_and_no_other() -> None:
    """Programs name it as an argument, event rules in their action, the others in the address."""
    text = "\n".join(path.read_text() for path in FILES if path.suffix in {".py", ".json", ".yml", ".yaml"})
    asked = {*re.findall(r"roles/([\w-]+)/leases", text), *re.findall(r"leased\(\s*\"([\w-]+)\"", text)}
    asked |= {*re.findall(r"\"issue\": \{\"role\": \"([\w-]+)\"", text)}

    assert asked == {path.stem for path in (SAMPLES / "roles").iterdir()}


def test_no_two_roles_give_their_secrets_one_name() -> None:
    """The broker would refuse the second one: each reader of the samples has one vault for all of them."""
    roles = [json.loads(path.read_text()) for path in (SAMPLES / "roles").iterdir()]
    names = [each["delivery"]["name"] for each in roles if "delivery" in each]

    assert ["app-{holder}", "reader-{holder}"] == sorted(names)


def test_every_sample_stands_in_the_list() -> None:
    """In ``samples/README.md``, with the folder that it is in."""
    listed = set(re.findall(r"\]\(([\w-]+/[\w.-]+)\)", (SAMPLES / "README.md").read_text()))
    helpers = {"azure-identity/broker.py", "event-driven/secret-reader.bicep", "event-driven/site.bicepparam"}

    assert listed == {path.relative_to(SAMPLES).as_posix() for path in FILES if path.parent != SAMPLES} - helpers


@pytest.mark.parametrize("document", ["README.md", "docs/credentials.md", "samples/README.md"])
def test_every_sample_that_is_linked_to_exists(document: str) -> None:
    """From wherever."""
    path = SAMPLES.parent / document
    links = re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", path.read_text())

    assert [] == [link for link in links if not (path.parent / link).exists()]
    assert any("samples/" in str((path.parent / link).resolve()) for link in links)


async def test_a_logic_app_repeats_an_ask_under_its_key() -> None:
    """The same key and the same body, and a token of its own for each request; the polls have no key."""
    script = Scripted(
        *(httpx.Response(status, json={}) for status in (503, 429, 408)),
        accepted(),
        httpx.Response(500, json={}),
        httpx.Response(200, json=LEASED),
        *(httpx.Response(200, json={}) for _ in range(2)),
    )
    run = workflow(script)
    await run.start()

    assert (SUCCEEDED, [503, 429, 408, 202, 500, 200]) == (run.status, run.seen["Lease_a_token"])
    asks, polls = script.requests[:4], script.requests[4:6]
    assert {(f"{run.name}-Lease_a_token", asks[0].content)} == {
        (each.headers["idempotency-key"], each.content) for each in asks
    }
    assert [ADDRESS, ADDRESS] == [str(each.url) for each in polls]
    assert {"Bearer for-api://broker"} == {each.headers["authorization"] for each in (*asks, *polls)}
    assert not any("idempotency-key" in each.headers for each in polls)
    assert "Bearer t" == script.requests[6].headers["authorization"]
    assert "DELETE broker.example/api/v1/leases/reader-token.1" == script.asked[7]


async def test_a_logic_app_does_not_follow_a_relative_address() -> None:
    """Then nothing is known of the lease, which ends by itself."""
    script = Scripted(accepted("/api/v1/leases/reader-token.1/credential"))
    run = workflow(script)
    await run.start()

    assert ("Failed", 1) == (run.status, len(script.requests))


async def test_a_service_that_never_gets_its_credential_gives_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody collects the lease, so it ends by itself."""
    monkeypatch.setattr(http_actions, "FASTER", 5_000)
    ask, poll = (
        f"{method} broker.example/api/v1/{path}"
        for method, path in (("POST", "roles/reader-token/leases"), ("GET", "leases/reader-token.1/credential"))
    )
    for make, failed in ((workflow, "TimedOut"), (pipeline, FAILED)):
        script = Endless()
        run: Run | PipelineRun = make(script)
        await run.start()

        lease = "LeaseToken" if make is pipeline else "Lease_a_token"
        assert ("Failed", failed) == (run.status, run.history[lease]["status"])
        assert {ask, poll} == {*script.asked}


@pytest.mark.parametrize(("status", "requests"), [(409, 1), (403, 1), (503, 5)])
async def test_a_logic_app_without_a_lease_ends_none(status: int, requests: int) -> None:
    """The run has failed; nobody was asked for anything else."""
    script = Scripted(*(httpx.Response(status, json={"code": "x"}) for _ in range(requests)))
    run = workflow(script)
    await run.start()

    assert ("Failed", ["POST broker.example/api/v1/roles/reader-token/leases"] * requests) == (run.status, script.asked)


async def test_a_logic_app_whose_role_never_counts_has_failed() -> None:
    """It reads sixty times, gives the lease back, and says so."""
    script = Scripted(
        httpx.Response(201, json={"lease": {"id": "report-reader.1"}}),
        *(httpx.Response(403, text="<Error/>") for _ in range(60)),
        httpx.Response(200, json={}),
    )
    document = json.loads((SAMPLES / "logic-apps" / "role-grant.json").read_text())
    for action in document["definition"]["actions"]["Work_with_a_grant"]["actions"]["Until_the_role_counts"][
        "actions"
    ].values():
        if action["type"] == "Wait":
            action["inputs"]["interval"]["count"] = 0
    given = {"broker_url": "https://broker.example", "audience": "api://broker", "blob": "https://a.blob.core.windows.net/r/t"}
    run = Run(document, script.client(), tokens, given)
    await run.start()

    assert ("Failed", "DELETE broker.example/api/v1/leases/report-reader.1") == (run.status, script.asked[-1])
    assert {"Bearer for-https://storage.azure.com"} == {each.headers["authorization"] for each in script.requests[1:-1]}


async def test_a_data_factory_runs_an_activity_again_under_its_key() -> None:
    """An answer that is no JSON is a failure of the activity."""
    script = Scripted(
        httpx.Response(503, json={}),
        httpx.Response(202, content=b"", headers={"location": ADDRESS}),
        httpx.Response(200, content=b""),
        httpx.Response(200, json=LEASED),
        *(httpx.Response(200, json={}) for _ in range(2)),
    )
    run = pipeline(script)
    await run.start()

    assert (SUCCEEDED, [503, 202, 200, 200]) == (run.status, run.seen["LeaseToken"])
    asks = [each for each in script.requests if each.method == "POST"]
    assert [f"{run.id}-LeaseToken"] * 3 == [each.headers["idempotency-key"] for each in asks]
    assert "DELETE broker.example/api/v1/leases/reader-token.1" == script.asked[-1]


async def test_a_data_factory_without_a_lease_ends_none() -> None:
    """It asks four times."""
    script = Scripted(*(httpx.Response(409, json={"code": "x"}) for _ in range(4)))
    run = pipeline(script)
    await run.start()

    assert (FAILED, 4, {"POST"}) == (run.status, len(script.requests), {each.method for each in script.requests})


def flow(script: Scripted, document: dict[str, Any]) -> Run:
    """The flow of Power Automate, at a broker that answers as the script says."""
    given = {"broker_url": "https://broker.example", "audience": "api://broker", "tenant": "t", "client_id": "c"}
    connectors = {"shared_commondataserviceforapps": Dataverse({"<prefix>_LeaseholdClientSecret": "s"})}
    return Run(document, script.client(), tokens, given, connectors=connectors, signs_polls=False)


def signed_in() -> httpx.Response:
    """What Entra ID says to an application's secret."""
    return httpx.Response(200, json={"access_token": "own"})


async def test_a_flow_signs_each_look_for_its_token() -> None:
    """It looks again while the answer is 202, as an action of its own each time."""
    document = json.loads((SAMPLES / "power-automate" / "flow.json").read_text())
    answers = (accepted(), accepted(), httpx.Response(200, json=LEASED))
    signed = [each for answer in answers for each in (signed_in(), answer)]
    rest = [httpx.Response(200, json={}), signed_in(), accepted()]
    script = Scripted(*signed, *rest)
    run = flow(script, document)
    await run.start()

    assert (SUCCEEDED, [202], [200]) == (run.status, run.seen["Lease_a_token"], run.seen["Get_the_token"])
    looks = [each for each in script.requests if each.method == "GET" and each.url.path.endswith("/credential")]
    assert ["Bearer own"] * 2 == [each.headers["authorization"] for each in looks]
    assert [202] == run.seen["End_the_lease"]


async def test_a_flow_that_follows_a_202_by_itself_is_refused() -> None:
    """Power Automate sends no token there: that is why the sample turns this off."""
    text = (SAMPLES / "power-automate" / "flow.json").read_text().replace('"operationOptions": "DisableAsyncPattern",', "")
    refused = httpx.Response(401, json={"code": "no_token"})
    script = Scripted(signed_in(), accepted(), refused)
    run = flow(script, json.loads(text))
    await run.start()

    assert ("Failed", [202, 401]) == (run.status, run.seen["Lease_a_token"])
    assert "authorization" not in script.requests[-1].headers


async def test_an_action_may_be_told_not_to_follow() -> None:
    """Then the 202 is its answer."""
    script = Scripted(accepted())
    call = Action(script.client(), tokens, None, Retries(0, 0), 1.0, 1.0, follows=False)

    assert 202 == (await call.run("POST", "https://broker.example/", {}, {})).status_code
    assert "authorization" not in script.requests[0].headers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("plain", "plain"),
        ("@@plain", "@plain"),
        ("@one('it''s')", {"it's": [1, None]}),
        ("@one('a').a[0]", 1),
        ("@one('a')?['a']?[0]", 1),
        ("@one('a')?['b']?['c']", None),
        ("a @{one('a').a[0]} b@{null}", "a 1 b"),
        ("@concat('a', one('b')['b'], 1)", "a[1, null]1"),
        ("@not(equals(one('a').a[0], 1))", False),
        ("@json('{\"a\": 1}')?['a']", 1),
        ("@encodeURIComponent('a b/c')", "a%20b%2Fc"),
        ({"type": "Expression", "value": "@one('a').a"}, [1, None]),
        ([{"a": "@null"}], [{"a": None}]),
    ],
)
def test_an_expression_comes_to(text: Any, value: Any) -> None:
    """As its services say."""
    assert value == evaluate(text, {**COMMON, "one": lambda name: {name: [1, None]}})


@pytest.mark.parametrize("text", ["@none()", "@one('a').b", "@one('a'", "@one('a') 1", "@one(,)", "@one('a').1", "@"])
def test_an_expression_is_refused(text: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(ExpressionError):
        evaluate(text, {**COMMON, "one": lambda name: {name: [1, None]}})


async def test_actions_that_wait_for_one_another_are_refused() -> None:
    """A mistake in a file is no success."""

    async def run(_: str) -> str:
        return SUCCEEDED

    with pytest.raises(NoOrderError):
        await run_all({"a": {"b": {SUCCEEDED}}, "b": {"a": {SUCCEEDED}}}, run)
