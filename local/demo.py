"""One lease's life, told step by step: ``make demo``. Ends with 0 only if every step held."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from azure.identity import ManagedIdentityCredential

from local import demo_events, demo_kinds, demo_pool, demo_targets
from local.telling import REPLICAS, SPEED, Telling, hold, until
from local.visitor import Broker

if TYPE_CHECKING:
    from collections.abc import Iterator


_API_VERSION = "api-version=2021-04-01"
_LEFT = ("applications", "deleted_items", "role_assignments")


class Story(Telling):
    """One lease's life, then one role for many targets, then no secret at all, then a pool, then events."""

    async def tell(self) -> None:
        """From the first token to the audit trail. Raises ``StepFailedError``."""
        before = await self._left()
        replicating = {"profile": "typical", "seed": 7, "speed": SPEED}
        await self.visitor.control("PUT", "consistency", replicating)
        print(f"The local Azure replicates as is typical of Azure, {SPEED} times as fast.", flush=True)
        web = await self._the_machine_gets_a_token()
        await self._an_operator_lets_others_in()
        lease, credential = await self._leases(web)
        token = await self._uses(credential)
        await self._is_refused_elsewhere(token)
        await self._renews(web, lease)
        await self._the_lease_ends(lease)
        await self._azure_takes_notice(credential, token)
        await self._nothing_is_left(before)
        await self._the_trail_is_shown(lease)
        await demo_targets.tell(self)
        await demo_kinds.tell(self)
        await demo_pool.tell(self)
        await demo_events.tell(self)

    async def _the_machine_gets_a_token(self) -> Broker:
        self.say("A virtual machine asks its managed identity for a token. No secret is stored on it.")
        machine = self.cloud["identities"]["vm-web"]
        with _environment(IDENTITY_ENDPOINT=machine["identity_endpoint"], IDENTITY_HEADER=machine["identity_header"]):
            credential = ManagedIdentityCredential()
            token = await asyncio.to_thread(credential.get_token, f"{self.cloud['audience']}/.default")
        self.note(f"vm-web is {machine['object_id']}; its token is for {self.cloud['audience']}")
        return Broker(self.visitor, self.broker_url, token.token)

    async def _an_operator_lets_others_in(self) -> None:
        self.say("The role app-reader names this one machine. An operator lets in all machines of another resource group.")
        group = f"/subscriptions/{self.cloud['subscription_id']}/resourceGroups/data"
        machines = f"{group}/providers/Microsoft.Compute/virtualMachines"
        batch = {"name": "vm-batch", "kind": "system_assigned", "resource_id": f"{machines}/vm-batch"}
        await self.visitor.control("POST", "identities", batch)
        admin = await self.broker_as("admin")
        policy = {"rules": [{"path": "roles/app-reader/leases", "capabilities": ["issue"]}]}
        auth_role = {"bound_resource_ids": [f"{machines}/*"], "policies": ["app-readers"]}
        await admin.must("PUT", "policies/app-readers", policy)
        await admin.must("PUT", "auth-roles/data-machines", auth_role)
        self.note(f"policy app-readers: {json.dumps(policy)}")
        self.note(f"auth role data-machines: {json.dumps(auth_role)}".replace(group, "..."))
        may = await (await self.broker_as("vm-batch")).must("GET", "whoami")
        hold(may["auth_roles"] == ["data-machines"] and [each["name"] for each in may["roles"]] == ["app-reader"], may)
        self.note("vm-batch is one of them, and may issue from app-reader at once")
        refused = await (await self.broker_as("stranger")).call("POST", "roles/app-reader/leases", {})
        hold(refused.status_code == 403, refused.text)  # noqa: PLR2004 - 403 Forbidden
        self.note(f"a stranger is refused, and learns nothing: {refused.json()['detail']}")
        question = {"role": "app-reader", "object_id": self.cloud["identities"]["stranger"]["object_id"]}
        found = await admin.must("POST", "explain", question)
        hold(found["decision"] == "denied", found)
        failed = found["auth_roles"][0]["failed"][0]
        wanted, has = (failed[each][0].rpartition("/providers/")[2] for each in ("wanted", "has"))
        self.note(f"the operator learns why: {failed['kind']} of data-machines wants {wanted}, and the stranger is {has}")

    async def _leases(self, web: Broker) -> tuple[dict[str, Any], dict[str, Any]]:
        self.say("The first machine, vm-web, asks Leasehold for a credential from the role app-reader.")
        reply = await web.call("POST", "roles/app-reader/leases", {"reason": "reading the app's resource group"})
        hold(reply.status_code == 201, reply.text)  # noqa: PLR2004 - 201 Created
        answer = reply.json()
        lease, credential = answer["lease"], answer["credential"]
        self.note(f"lease {lease['id']}, until {lease['expires_at']}, at the latest {lease['max_expires_at']}")
        self.note(f"a new application {credential['client_id']}, with a secret of its own")
        return lease, credential

    async def _uses(self, credential: dict[str, Any]) -> str:
        self.say("It signs in to Azure with that credential, and reads the resource group it was given.")
        token, seconds = await until(lambda: self.token(credential))
        self.note(f"Entra ID takes the secret, everywhere, after {seconds:.1f} s")
        reply, seconds = await until(lambda: self._read(token, "app", 200))
        self.note(f"Azure answers {reply.status_code}, after {seconds:.1f} s: {reply.json()['id']}")
        return token

    async def _is_refused_elsewhere(self, token: str) -> None:
        self.say("It tries another resource group. The role does not give that.")
        reply = await self._read(token, "data", 403)
        hold(reply is not None, "another resource group can be read")
        self.note(f"Azure answers {reply.status_code}: {reply.json()['error']['code']}")

    async def _renews(self, web: Broker, lease: dict[str, Any]) -> None:
        self.say("It needs more time, and renews the lease for an hour.")
        renewed = await web.must("POST", f"leases/{lease['id']}/renew", {"increment": "1h"})
        hold(renewed["expires_at"] > lease["expires_at"], renewed)
        self.note(f"now until {renewed['expires_at']}")

    async def _the_lease_ends(self, lease: dict[str, Any]) -> None:
        self.say("An operator ends every lease of the role. The sweep, which otherwise runs each minute, runs now.")
        admin = await self.broker_as("admin")
        revoking = await admin.must("POST", "roles/app-reader/revoke")
        hold(revoking["revoking"] == 1, revoking)
        swept = await admin.must("POST", "sweep")
        # The revocation has begun to end the lease by itself: the sweep may find it ended.
        hold(swept["ended"] <= 1 and swept["remaining"] == 0, swept)
        ended = await admin.must("GET", f"leases/{lease['id']}")
        for _ in range(150):
            if ended["state"] == "ended":
                break
            await asyncio.sleep(0.2)
            ended = await admin.must("GET", f"leases/{lease['id']}")
        hold(ended["state"] == "ended", ended)
        self.note(f"the sweep: {json.dumps(swept)}; the lease is {ended['state']}")

    async def _azure_takes_notice(self, credential: dict[str, Any], token: str) -> None:
        self.say(
            "The machine still has the secret, and a token that is good for another hour. Azure notices the end bit by bit."
        )
        message, seconds = await until(lambda: self.refusal(credential))
        self.note(f"Entra ID does not take the secret any more, after {seconds:.1f} s: {message}")
        reply, more = await until(lambda: self._read(token, "app", 403))
        self.note(f"Azure refuses the token as well, after {seconds + more:.1f} s: {reply.json()['error']['code']}")
        self.note("In Azure the one takes up to two minutes, the other up to ten.")

    async def _nothing_is_left(self, before: dict[str, Any]) -> None:
        self.say("Nothing is left: not in the directory, not in its recycle bin, not among the role assignments.")
        after = await self._left()
        hold(after == before, f"before: {before}\nafter: {after}")
        self.note(", ".join(f"{len(after[name])} {name.replace('_', ' ')}" for name in _LEFT) + ", as before the lease")

    async def _the_trail_is_shown(self, lease: dict[str, Any]) -> None:
        self.say("An auditor reads what happened.")
        auditor = await self.broker_as("auditor")
        events = (await auditor.must("GET", f"audit?lease={lease['id']}"))["events"]
        done = [event["operation"] for event in events]
        hold(done == ["issue", "renew", "end"], events)
        for event in events:
            who = (event.get("caller") or {}).get("object_id", "the sweep")
            self.note(f"{event['at']}  {event['operation']:<6} {event['outcome']:<5} {who}  {event.get('reason', '')}")

    async def _read(self, token: str, group: str, wanted: int) -> Any:
        """The answer, if every replica gives one of that status."""
        url = f"{self.cloud['endpoints']['arm']}/subscriptions/{self.cloud['subscription_id']}/resourceGroups/{group}"
        headers = {"authorization": f"Bearer {token}"}
        replies = [await self.visitor.http.get(f"{url}?{_API_VERSION}", headers=headers) for _ in range(REPLICAS)]
        return replies[0] if all(reply.status_code == wanted for reply in replies) else None

    async def _left(self) -> dict[str, Any]:
        state = await self.visitor.control("GET", "state")
        return {name: state[name] for name in _LEFT}


@contextmanager
def _environment(**variables: str) -> Iterator[None]:
    """azure-identity finds a machine's identity through the environment, as it does on App Service."""
    former = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, text in former.items():
            if text is None:
                del os.environ[name]
            else:
                os.environ[name] = text
