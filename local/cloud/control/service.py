"""The control API: what tests and set-up ask of the local cloud itself, beside Azure. Loopback only, no authentication."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol, cast, get_args

from local.cloud.control import event_topics, inputs, inventory, objects, places, provision, quotas, storage, vaults
from local.cloud.control.forgery import Signer, forge
from local.cloud.control.judge import judge
from local.cloud.engine.errors import InputError
from local.cloud.engine.http import HttpRequest, Json, Refusal, Reply, Route
from local.cloud.engine.service import Endpoint, Service
from local.cloud.entra.identities import in_tenant, in_too_many_groups, stated
from local.cloud.entra.resources import resolve
from local.cloud.entra.state import TrustedIssuers
from local.cloud.local_azure import LocalAzure
from local.cloud.tenant.directory import Identity

type Handler = Callable[[LocalAzure, HttpRequest], Reply]
type IdentityType = Literal["system_assigned", "user_assigned", "application", "user"]

_IDENTITY_TYPES: tuple[str, ...] = get_args(IdentityType.__value__)
_SIGNERS: tuple[str, ...] = get_args(Signer.__value__)


def _plain(handler: Handler) -> Handler:
    """The handler, answering bad input with 400 and a plain message."""

    @functools.wraps(handler)
    def answer(world: LocalAzure, call: HttpRequest) -> Reply:
        try:
            return handler(world, call)
        except Refusal:
            raise
        except ValueError as fault:
            return Reply(400, {"error": str(fault)})

    return answer


class Cloud(Protocol):
    """What the control API asks of the local cloud that it controls."""

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Origins, by the names of their ports."""
        ...

    @property
    def services(self) -> Mapping[str, Service[LocalAzure]]:
        """Those of now, by name: ``restore`` makes new ones."""
        ...

    @property
    def ca_bundle(self) -> Path:
        """What TLS clients have to trust."""
        ...

    @property
    def function_host(self) -> str:
        """Where the broker is."""
        ...

    def restore(self) -> None:
        """Brings back the state right after set-up."""
        ...


class Control:
    """``/_control``, as a service of its own; its calls are not in the ledger."""

    name = "control"
    endpoint = Endpoint(paths=("_control",), tls=False, of_azure=False)

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        table: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "", self._document),
            ("POST", "/reset", self._reset),
            ("GET", "/consistency", _consistency),
            ("PUT", "/consistency", _set_consistency),
            ("POST", "/identities", self._add_identity),
            ("PUT", "/identities/{name}", self._change_identity),
            ("POST", "/tenants", _add_tenant),
            ("POST", "/token", _token),
            ("POST", "/judge", self._judge),
            ("GET", "/faults", _faults),
            ("PUT", "/faults", _set_faults),
            ("POST", "/faults", _add_faults),
            ("DELETE", "/faults", _clear_faults),
            ("GET", "/calls", _calls),
            ("DELETE", "/calls", _clear_calls),
            ("GET", "/state", self._state),
            ("GET", "/limits", self._limits),
            ("PUT", "/limits", self._set_limits),
            ("GET", "/clock", _clock),
            ("POST", "/clock", _advance_clock),
            ("POST", "/keys/rotate", _rotate_keys),
            ("POST", "/issuers", _add_issuer),
            ("POST", "/resource-groups", places.add_resource_group),
            ("DELETE", "/resource-groups", places.remove_resource_group),
            ("POST", "/resources", places.add_resource),
            ("DELETE", "/resources", places.remove_resource),
            ("POST", "/vaults", vaults.add_vault),
            ("PUT", "/vaults/{name}", vaults.change_vault),
            ("POST", "/management-groups", objects.add_management_group),
            ("POST", "/role-assignments", objects.add_role_assignment),
            ("POST", "/app-roles", objects.add_app_roles),
            ("POST", "/locks", objects.add_lock),
            ("POST", "/groups", objects.add_group),
            ("POST", "/secrets", objects.add_secret),
            ("POST", "/topics", event_topics.add_topic),
            ("GET", "/topics/{name}/events", event_topics.events),
            ("POST", "/subscriptions", event_topics.add_subscription),
            ("GET", "/subscriptions/{name}", event_topics.subscription),
        )
        self.routes = tuple(Route(method, f"/_control{path}", _plain(handler)) for method, path, handler in table)

    def error(self, status: int, code: str, message: str) -> Reply:
        """A plain message."""
        return Reply(status, {"error": message})

    def finish(self, world: LocalAzure, call: HttpRequest, reply: Reply) -> Reply:
        """Nothing to add."""
        return reply

    def _document(self, world: LocalAzure, call: HttpRequest) -> Reply:
        endpoints = self._cloud.endpoints
        return Reply(
            200,
            {
                "tenant_id": world.tenant_id,
                "subscription_id": world.subscription_id,
                "audience": world.directory.broker_app_id,
                "function_host": self._cloud.function_host,
                "ca_bundle": str(self._cloud.ca_bundle),
                "storage": storage.described(world.storage),
                "endpoints": {name: origin for name, origin in endpoints.items() if name != self.name},
                "identities": {name: self._identity(identity) for name, identity in world.directory.identities.items()},
            },
        )

    def _identity(self, identity: Identity) -> Json:
        base = f"{self._cloud.endpoints['imds']}/identities/{identity.name}"
        return {
            "object_id": identity.object_id,
            "client_id": identity.client_id,
            "kind": identity.kind,
            "resource_id": identity.resource_id,
            "identity_endpoint": f"{base}/msi/token",
            "identity_header": identity.header,
            "imds_base": base,
        }

    def _reset(self, world: LocalAzure, call: HttpRequest) -> Reply:
        self._cloud.restore()
        return Reply(200, {})

    def _state(self, world: LocalAzure, call: HttpRequest) -> Reply:
        return Reply(200, inventory.of(world, self._cloud.services.values()))

    def _limits(self, world: LocalAzure, call: HttpRequest) -> Reply:
        return Reply(200, quotas.as_json(quotas.of(self._cloud.services.values())))

    def _set_limits(self, world: LocalAzure, call: HttpRequest) -> Reply:
        limits = quotas.of(self._cloud.services.values())
        body = inputs.body_of(call, set(), set(limits))
        quotas.configure(limits, {service: inputs.mapping(body, service) for service in limits})
        return self._limits(world, call)

    def _change_identity(self, world: LocalAzure, call: HttpRequest) -> Reply:
        body = inputs.body_of(call, {"kind"}, {"resource_id"})
        identity = objects.known(world, call.params["name"])
        kind = cast("provision.Managed", inputs.choice(body, "kind", provision.MANAGED))
        provision.change_identity(world, identity, kind, inputs.optional(body, "resource_id"))
        return Reply(200, {"name": identity.name, **self._identity(identity)})

    def _judge(self, world: LocalAzure, call: HttpRequest) -> Reply:
        return judge(world, call, self._cloud.endpoints["entra"])

    def _add_identity(self, world: LocalAzure, call: HttpRequest) -> Reply:
        body = inputs.body_of(call, {"name", "kind"}, {"resource_id", "location", "groups", "app_roles"})
        name, kind = inputs.name(body, "name"), inputs.choice(body, "kind", _IDENTITY_TYPES)
        groups = [objects.group_id(world, group) for group in inputs.texts(body, "groups")]
        roles = inputs.texts(body, "app_roles")
        provision.check_app_roles(world, roles)
        resource_id, location = inputs.optional(body, "resource_id"), inputs.optional(body, "location")
        identity = provision.identity(world, name, cast("IdentityType", kind), resource_id, location)
        for group in groups:
            world.directory.groups[group].members.append(identity.object_id)
        for role in roles:
            provision.app_role(world, provision.holder(world, identity.object_id), role)
        return Reply(201, {"name": name, **self._identity(identity)})


def _consistency(world: LocalAzure, call: HttpRequest) -> Reply:
    return Reply(200, {"profile": world.consistency.profile.name, "speed": world.consistency.speed})


def _set_consistency(world: LocalAzure, call: HttpRequest) -> Reply:
    body = inputs.body_of(call, {"profile"}, {"seed", "speed"})
    seed, speed = body.get("seed"), body.get("speed", 1.0)
    if not (seed is None or inputs.is_number(seed, whole=True)) or not inputs.is_number(speed):
        raise InputError("seed must be a whole number and speed a number")
    world.consistency.configure(inputs.text(body, "profile"), seed=seed, speed=float(speed))
    return _consistency(world, call)


def _token(world: LocalAzure, call: HttpRequest) -> Reply:
    body = inputs.body_of(call, {"identity", "resource"}, {"tenant", "overrides", "header", "sign_with", "version", "overage"})
    identity = objects.known(world, inputs.text(body, "identity"))
    resource = resolve(world, inputs.text(body, "resource"))
    if resource is None:
        raise InputError(f"no resource {body['resource']}: another audience can be given in overrides")
    if "version" in body:
        resource = resource.in_version(inputs.version(body["version"]))
    made = stated(world, identity, resource)
    if "tenant" in body:
        made = in_tenant(made, _known_tenant(world, inputs.text(body, "tenant")))
    if inputs.flag(body, "overage"):
        made = in_too_many_groups(made)
    claims = {**made, **inputs.mapping(body, "overrides")}
    claims = {name: value for name, value in claims.items() if value is not None}
    signer = cast("Signer", inputs.choice(body, "sign_with", _SIGNERS, "current"))
    return Reply(200, {"access_token": forge(world.tokens, claims, inputs.mapping(body, "header"), signer)})


def _add_tenant(world: LocalAzure, call: HttpRequest) -> Reply:
    tenant = inputs.guid(inputs.body_of(call, {"id"}, set()), "id")
    if tenant != world.tenant_id:
        world.other_tenants.add(tenant)
    return Reply(201, {"id": tenant})


def _known_tenant(world: LocalAzure, tenant: str) -> str:
    known = tenant.lower()
    if known not in {world.tenant_id, *world.other_tenants}:
        raise InputError(f"no tenant {tenant}")
    return known


def _faults(world: LocalAzure, call: HttpRequest) -> Reply:
    return Reply(200, [rule.as_json() for rule in world.faults.left()])


def _set_faults(world: LocalAzure, call: HttpRequest) -> Reply:
    world.faults.replace(inputs.list_of(call))
    return _faults(world, call)


def _add_faults(world: LocalAzure, call: HttpRequest) -> Reply:
    world.faults.add(inputs.list_of(call))
    return _faults(world, call)


def _clear_faults(world: LocalAzure, call: HttpRequest) -> Reply:
    world.faults.replace([])
    return Reply(200, {})


def _calls(world: LocalAzure, call: HttpRequest) -> Reply:
    return Reply(200, [entry.as_json() for entry in world.ledger])


def _clear_calls(world: LocalAzure, call: HttpRequest) -> Reply:
    world.ledger.clear()
    return Reply(200, {})


def _clock(world: LocalAzure, call: HttpRequest) -> Reply:
    return Reply(200, {"now": world.clock.now(), "ahead_seconds": world.clock.ahead})


def _advance_clock(world: LocalAzure, call: HttpRequest) -> Reply:
    seconds = inputs.body_of(call, {"advance_seconds"}, set())["advance_seconds"]
    if not inputs.is_number(seconds) or seconds < 0:
        raise InputError("advance_seconds must be a number, 0 or more: time does not go back (reset does)")
    world.clock.ahead += seconds
    return _clock(world, call)


def _rotate_keys(world: LocalAzure, call: HttpRequest) -> Reply:
    return Reply(200, {"kid": world.tokens.rotate()})


def _add_issuer(world: LocalAzure, call: HttpRequest) -> Reply:
    body = inputs.body_of(call, {"issuer", "jwks"}, set())
    jwks = body["jwks"].get("keys") if isinstance(body["jwks"], dict) else body["jwks"]
    if not isinstance(jwks, list) or not all(isinstance(key, dict) for key in jwks):
        raise InputError("jwks must be a key set: {keys: [...]}")
    world.of(TrustedIssuers).keys[inputs.text(body, "issuer")] = jwks
    return Reply(200, {})
