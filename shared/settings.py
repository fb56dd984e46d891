"""The app settings, read once and all at once: every fault is reported, and a ``LEASEHOLD_`` name that is not known is one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from urllib.parse import urlsplit

from shared.core.errors import Misconfigured
from shared.core.names import ObjectId, Scope, Unparsable
from shared.core.secret import Secret

PREFIX = "LEASEHOLD_"
STORAGE = "AzureWebJobsStorage"
_AUDIENCE = re.compile(r"[A-Za-z0-9._~:/?#@!$&()*+;=%-]+")
_ADDRESS = re.compile(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]+")
_HOST_NAME = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")
_KNOWN = frozenset(
    PREFIX + name
    for name in (
        "TENANT_ID",
        "ALLOWED_TENANTS",
        "AUDIENCE",
        "CLIENT_ID",
        "SUBSCRIPTION_ID",
        "AUTHORITY",
        "GRAPH_ENDPOINT",
        "ARM_ENDPOINT",
        "SWEEP_SCHEDULE",
        "RECONCILE_SCHEDULE",
        "PROTECTED_SCOPES",
        "PROTECTED_IDENTITIES",
        "RETENTION_DAYS",
        "HOLD_SECONDS",
        "SETTLE_SECONDS",
        "DOCS_URL",
        "PUBLIC_URL",
    )
)


@dataclass(frozen=True, slots=True)
class Storage:
    """Where tables and queues are: by a connection string, or each at an endpoint with an identity.

    ``client_id`` names the identity; ``None`` stands for the broker's own.
    """

    connection_string: Secret | None = None
    table_endpoint: str = ""
    queue_endpoint: str = ""
    client_id: ObjectId | None = None


@dataclass(frozen=True, slots=True)
class Settings:
    """What the deployment says. Endpoints have no slash at their end; ``docs_url`` is empty when not set."""

    storage: Storage
    tenant_id: ObjectId
    allowed_tenants: tuple[ObjectId, ...]
    """The broker's own first, whether it is listed or not."""
    audiences: tuple[str, ...]
    client_id: ObjectId
    """Of the managed identity that the broker acts as."""
    authority: str
    graph_endpoint: str
    arm_endpoint: str
    docs_url: str
    protected_scopes: tuple[Scope, ...]
    """The listed ones and the function app itself, where the platform tells which it is."""
    protected_identities: frozenset[ObjectId]
    """The listed ones, the broker's client id, and that of the application whose audience it takes."""
    retention: timedelta
    hold: float
    settle: float
    public_url: str = ""
    """Where callers reach the app, with a path where a gateway adds one; empty when neither operator nor platform says."""
    warnings: tuple[str, ...] = ()
    """What an operator should mend though the broker can run with it, a sentence each."""


def load(environment: Mapping[str, str]) -> Settings:
    """Raises ``Misconfigured`` that names every fault."""
    reader = _Reader(environment)
    reader.refuse_unknown()
    reader.get("SWEEP_SCHEDULE")
    reader.get("RECONCILE_SCHEDULE")
    tenant = reader.parsed("TENANT_ID", ObjectId.parse, ObjectId(""))
    audiences = reader.listed("AUDIENCE", _audience) or reader.missing("AUDIENCE")
    client = reader.parsed("CLIENT_ID", ObjectId.parse, ObjectId(""))
    protected_scopes = _protected_scopes(reader)
    settings = Settings(
        storage=_storage(reader),
        tenant_id=tenant,
        allowed_tenants=tuple(dict.fromkeys((tenant, *reader.listed("ALLOWED_TENANTS", ObjectId.parse)))),
        audiences=(*audiences, *(each for each in _client_ids(audiences) if each not in audiences)),
        client_id=client,
        authority=reader.endpoint("AUTHORITY", "https://login.microsoftonline.com"),
        graph_endpoint=reader.endpoint("GRAPH_ENDPOINT", "https://graph.microsoft.com"),
        arm_endpoint=reader.endpoint("ARM_ENDPOINT", "https://management.azure.com"),
        docs_url=reader.endpoint("DOCS_URL", ""),
        protected_scopes=protected_scopes,
        protected_identities=frozenset(
            (client, *_client_ids(audiences), *reader.listed("PROTECTED_IDENTITIES", ObjectId.parse))
        ),
        retention=timedelta(days=reader.number("RETENTION_DAYS", 7, least=1, most=365)),
        hold=reader.number("HOLD_SECONDS", 20, least=1, most=300),
        settle=reader.number("SETTLE_SECONDS", 180, least=1, most=3600),
        public_url=reader.endpoint("PUBLIC_URL", "") or _platform_url(reader),
        warnings=_warnings(environment),
    )
    reader.finish()
    return settings


def _protected_scopes(reader: _Reader) -> tuple[Scope, ...]:
    """The listed ones and the function app itself. Where that is deployed and cannot be told, going unprotected is a fault."""
    listed = reader.listed("PROTECTED_SCOPES", Scope.parse)
    subscription = reader.optional("SUBSCRIPTION_ID", ObjectId.parse)
    try:
        own = own_resource(reader.environment, subscription)
    except Unparsable as wrong:
        reader.faults.append(f"{', '.join(_PLATFORM)}: make no resource id: {wrong}")
        return listed
    if own is None and not listed and all(reader.environment.get(name) for name in _PLATFORM[1:]):
        reader.faults.append(f"{PREFIX}PROTECTED_SCOPES: is required where nothing tells the app's subscription")
    return (*listed, *((own,) if own else ()))


_PLATFORM = ("WEBSITE_OWNER_NAME", "WEBSITE_RESOURCE_GROUP", "WEBSITE_SITE_NAME")


def own_resource(environment: Mapping[str, str], subscription: ObjectId | None = None) -> Scope | None:
    """The function app's own resource id, where the platform tells all of its parts.

    Raises ``Unparsable`` when they make no resource id. ``WEBSITE_OWNER_NAME`` is ``<subscription>+<webspace>``:
    https://learn.microsoft.com/azure/app-service/reference-app-settings#app-environment
    """
    owner, group, site = (environment.get(name, "") for name in _PLATFORM)
    told = owner.partition("+")[0]
    found = ObjectId.parse(told) if told else subscription
    if found is None or not group or not site:
        return None
    return Scope.parse(f"/subscriptions/{found}/resourceGroups/{group}/providers/Microsoft.Web/sites/{site}")


def _platform_url(reader: _Reader) -> str:
    """The app's own address, by the name that the platform gives it; empty without one.

    ``WEBSITE_HOSTNAME``: https://learn.microsoft.com/azure/app-service/reference-app-settings#app-environment. The local host
    of Azure's tools sets it to ``localhost:7071``, where it speaks plain HTTP.
    """
    name = reader.environment.get("WEBSITE_HOSTNAME", "").strip()
    if not name:
        return ""
    if _HOST_NAME.fullmatch(name) is None:
        reader.faults.append("WEBSITE_HOSTNAME: expected a host name such as example.net")
        return ""
    host = urlsplit(f"//{name}").hostname or ""
    return f"{'http' if _is_loopback(host) else 'https'}://{name}"


@dataclass(slots=True)
class _Reader:
    environment: Mapping[str, str]
    faults: list[str] = field(default_factory=list)

    def refuse_unknown(self) -> None:
        for name in sorted(self.environment):
            if name.upper().startswith(PREFIX) and name not in _KNOWN:
                self.faults.append(f"{name}: is not a known setting")

    def get(self, name: str) -> str:
        """The text of a setting that must be there."""
        value = self.environment.get(PREFIX + name, "").strip()
        if not value:
            self.missing(name)
        return value

    def missing(self, name: str) -> tuple[()]:
        fault = f"{PREFIX}{name}: is required"
        if not any(each.startswith(f"{PREFIX}{name}:") for each in self.faults):
            self.faults.append(fault)
        return ()

    def parsed[T](self, name: str, parse: Callable[[str], T], otherwise: T) -> T:
        text = self.get(name)
        return self._parse(name, text, parse) or otherwise if text else otherwise

    def optional[T](self, name: str, parse: Callable[[str], T]) -> T | None:
        text = self.environment.get(PREFIX + name, "").strip()
        return self._parse(name, text, parse) if text else None

    def listed[T](self, name: str, parse: Callable[[str], T]) -> tuple[T, ...]:
        items = (item.strip() for item in self.environment.get(PREFIX + name, "").split(","))
        found = (self._parse(name, item, parse) for item in items if item)
        return tuple(each for each in found if each is not None)

    def endpoint(self, name: str, default: str) -> str:
        return (self.optional(name, _endpoint) or default).rstrip("/")

    def number(self, name: str, default: float, *, least: float, most: float) -> float:
        return self.optional(name, lambda text: _number(text, least, most)) or default

    def _parse[T](self, name: str, text: str, parse: Callable[[str], T]) -> T | None:
        try:
            return parse(text)
        except Unparsable as wrong:
            self.faults.append(f"{PREFIX}{name}: {wrong}")
            return None

    def finish(self) -> None:
        if self.faults:
            raise Misconfigured("; ".join(self.faults))


def _storage(reader: _Reader) -> Storage:
    """As the Functions host itself reads it: https://learn.microsoft.com/azure/azure-functions/functions-reference#configure-an-identity-based-connection."""
    given = {key: reader.environment.get(f"{STORAGE}{key}", "").strip() for key in ("", *_STORAGE_PARTS)}
    if given[""]:
        return Storage(connection_string=Secret(given[""]))
    client = _storage_client(reader, given["__clientId"])
    if given["__credential"].lower() not in {"", "managedidentity"}:
        reader.faults.append(f"{STORAGE}__credential: expected managedidentity")
    try:
        return Storage(table_endpoint=_of("table", given), queue_endpoint=_of("queue", given), client_id=client)
    except Unparsable as wrong:
        reader.faults.append(str(wrong))
        return Storage()


def _warnings(environment: Mapping[str, str]) -> tuple[str, ...]:
    """The Functions host takes an account's name before its addresses, and makes of it addresses in the public cloud.

    So does ``StorageClientProvider`` in https://github.com/Azure/azure-sdk-for-net.
    """
    addresses = [name for name in environment if name.startswith(f"{STORAGE}__") and name.endswith("ServiceUri")]
    given = {name for name in (*addresses, f"{STORAGE}__accountName") if environment.get(name, "").strip()}
    if f"{STORAGE}__accountName" not in given or len(given) == 1:
        return ()
    text = (
        f"{STORAGE}__accountName stands beside {STORAGE}__...ServiceUri: the broker takes the addresses, the Functions host "
        "takes the name and looks for it in the public cloud. Remove the name."
    )
    return (text,)


_STORAGE_PARTS = ("__tableServiceUri", "__queueServiceUri", "__accountName", "__clientId", "__credential")


def _storage_client(reader: _Reader, text: str) -> ObjectId | None:
    try:
        return ObjectId.parse(text) if text else None
    except Unparsable as wrong:
        reader.faults.append(f"{STORAGE}__clientId: {wrong}")
        return None


def _of(service: str, given: Mapping[str, str]) -> str:
    part = f"__{service}ServiceUri"
    if uri := given[part]:
        try:
            return _endpoint(uri).rstrip("/")
        except Unparsable as wrong:
            raise Unparsable(f"{STORAGE}{part}: {wrong}") from wrong
    account = given["__accountName"]
    if not account:
        raise Unparsable(f"{STORAGE}: is required, or {STORAGE}__accountName, or {STORAGE}{part}")
    if _ACCOUNT.fullmatch(account) is None:
        raise Unparsable(f"{STORAGE}__accountName: expected 3 to 24 letters a-z and digits")
    return f"https://{account}.{service}.core.windows.net"


def _endpoint(text: str) -> str:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise Unparsable("expected an address such as https://example.net") from None
    if not host or not _ADDRESS.fullmatch(text) or parts.query or parts.fragment or parts.username is not None:
        raise Unparsable("expected an address such as https://example.net")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise Unparsable("expected an https address")
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _audience(text: str) -> str:
    if _AUDIENCE.fullmatch(text) is None:
        raise Unparsable("expected identifier URIs or client ids without blanks")
    return text


def _client_ids(audiences: tuple[str, ...]) -> tuple[ObjectId, ...]:
    """Of audiences that are, or are made of, an application's client id."""
    found = []
    for audience in audiences:
        try:
            found.append(ObjectId.parse(audience.removeprefix("api://").partition("/")[0]))
        except Unparsable:
            continue
    return tuple(found)


def _number(text: str, least: float, most: float) -> float:
    if re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", text) is None or not least <= float(text) <= most:
        raise Unparsable(f"expected a number from {least:g} to {most:g}")
    return float(text)
