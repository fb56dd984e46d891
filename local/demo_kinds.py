"""The demo's third story: no secret at all. A token is fetched later, and the caller itself gets a role for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.telling import ARM, REPLICAS, hold, until

if TYPE_CHECKING:
    from local.telling import Telling
    from local.visitor import Broker

_ACCEPTED, _OK, _FORBIDDEN = 202, 200, 403
MACHINE = "vm-web"
_HELD = ("secrets", "federated_credentials")
"""What the control API lists of all applications."""


async def tell(story: Telling) -> None:
    """Of a token, and then of a role for a while. Raises ``StepFailedError``."""
    lease = await _a_token_is_fetched_later(story)
    await _no_secret_exists(story, lease)
    await _the_machine_itself_gets_a_role(story)


async def _a_token_is_fetched_later(story: Telling) -> dict[str, Any]:
    story.say("An application asks for a token, and does not wait. It fetches the token when Azure is ready.")
    await put_reader(story, "token-reader", type="service_principal", credential="token", token_scopes=[ARM])
    web = await story.broker_as(MACHINE)
    reply = await web.call("POST", "roles/token-reader/leases", {}, prefer="respond-async")
    hold(reply.status_code == _ACCEPTED, reply.text)
    story.note(f"Leasehold answers 202 at once: come back in {reply.headers['retry-after']} s, at {reply.headers['location']}")
    path = reply.json()["next"]["url"].partition("/api/v1/")[2]
    reply, _ = await until(lambda: _collected(web, path))
    hold(reply.status_code == _OK, reply.text)
    lease, credential = reply.json()["lease"], reply.json()["credential"]
    hold((lease["state"], lease["ready"]) == ("active", "ready"), lease)
    story.note(f"lease {lease['id']} is {lease['state']}; its token ends at {credential['token_expires_at']}")
    answer, seconds = await until(lambda: _read(story, credential["access_token"], "app", _OK))
    story.note(f"Azure answers {answer.status_code}, after {seconds:.1f} s: {answer.json()['id']}")
    return {"lease": lease, "client_id": credential["client_id"]}


async def _collected(broker: Broker, path: str) -> Any:
    """The answer; ``None`` while it says to come back."""
    reply = await broker.call("GET", path)
    return None if reply.status_code == _ACCEPTED else reply


async def _no_secret_exists(story: Telling, made: dict[str, Any]) -> None:
    story.say("No secret exists, so none can leak: the application trusts the broker's identity, and has no other credential.")
    state = await story.visitor.control("GET", "state")
    (application,) = [each for each in state["applications"] if each["client_id"] == made["client_id"]]
    secrets, trusted = ([each for each in state[name] if application["object_id"] in each.values()] for name in _HELD)
    hold((secrets, [each["name"] for each in trusted]) == ([], ["lh-broker"]), [secrets, trusted])
    story.note(f"{application['display_name']}: no secret, and one trusted identity, {trusted[0]['name']}")
    await (await story.broker_as(MACHINE)).must("DELETE", f"leases/{made['lease']['id']}")


async def _the_machine_itself_gets_a_role(story: Telling) -> None:
    story.say("A machine gets a role itself, for as long as its lease lasts: nothing is handed over at all.")
    await put_reader(story, "app-visitor", type="role_grant")
    web, token = await story.broker_as(MACHINE), await story.visitor.token(MACHINE, "https://management.azure.com")
    hold(await _read(story, token, "app", _FORBIDDEN) is not None, "the machine may read the group before its lease")
    made = await web.must("POST", "roles/app-visitor/leases", {})
    answer, seconds = await until(lambda: _read(story, token, "app", _OK))
    story.note(f"before the lease Azure answers 403; {seconds:.1f} s after its beginning {answer.status_code}")
    await web.must("DELETE", f"leases/{made['lease']['id']}")
    answer, seconds = await until(lambda: _read(story, token, "app", _FORBIDDEN))
    story.note(f"{seconds:.1f} s after its end Azure answers {answer.status_code} again")


async def put_reader(story: Telling, name: str, **fields: Any) -> None:
    """Writes a role that reads the group ``app``, for the machine alone."""
    scope = f"/subscriptions/{story.cloud['subscription_id']}/resourceGroups/app"
    callers = [story.cloud["identities"][MACHINE]["object_id"]]
    document = {"azure_roles": [{"role_name": "Reader", "scope": scope}], "bound_service_principal_ids": callers}
    await (await story.broker_as("admin")).must("PUT", f"roles/{name}", document | fields)


async def _read(story: Telling, token: str, group: str, wanted: int) -> Any:
    """The answer, if every replica gives one of that status."""
    url = f"{story.cloud['endpoints']['arm']}/subscriptions/{story.cloud['subscription_id']}/resourceGroups/{group}"
    headers = {"authorization": f"Bearer {token}"}
    replies = [await story.visitor.http.get(f"{url}?api-version=2021-04-01", headers=headers) for _ in range(REPLICAS)]
    return replies[0] if all(reply.status_code == wanted for reply in replies) else None
