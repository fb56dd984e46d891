"""A call with its verified caller and what it names: what every operation of blob storage gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from local.cloud.blob import errors
from local.cloud.engine.http import HttpRequest, Reply
from local.cloud.rbac.access import Verdict, decide
from local.cloud.rbac.condition_evaluation import Circumstances
from local.cloud.rbac.condition_syntax import Attribute
from local.cloud.rbac.scopes import Scope

if TYPE_CHECKING:
    from local.cloud.blob.shared_access import SharedAccess
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.resources import Container, Resource

DOMAIN = ".blob.core.windows.net"
ROOT = "$root"
"""The container of blobs whose address names none."""
_ACCOUNTS = "Microsoft.Storage/storageAccounts"
_CONTAINERS = f"{_ACCOUNTS}/blobServices/containers"
_BLOBS = f"{_CONTAINERS}/blobs"
_ACCOUNT_NAME = f"{_ACCOUNTS}:name".lower()
_CONTAINER_NAME = f"{_CONTAINERS}:name".lower()
_BLOB_PATH = f"{_BLOBS}:path".lower()
_PREFIX = f"{_BLOBS}:prefix".lower()
KNOWN = frozenset(
    {
        *(Attribute("resource", name) for name in (_ACCOUNT_NAME, _CONTAINER_NAME, _BLOB_PATH)),
        Attribute("request", _PREFIX),
    }
)
"""The attributes that a condition can look at here. What depends on another attribute is refused."""


@dataclass(frozen=True, slots=True)
class Target:
    """What an address names; a list's names no blob, and a list of containers no container."""

    account: str
    container: str | None
    blob: str | None
    endpoint: str
    """The account's own address, with a slash at its end."""

    @classmethod
    def of(cls, call: HttpRequest) -> Target:
        """By the account's name as host, or else as the path's first segment, as emulators have it."""
        host = call.headers.get("host", "").rsplit(":", 1)[0].lower()
        if host.endswith(DOMAIN):
            account, rest, endpoint = host.removesuffix(DOMAIN), call.path.lstrip("/"), f"{call.origin}/"
        else:
            account, _, rest = call.path.lstrip("/").partition("/")
            endpoint = f"{call.origin}/{account}/"
        container, _, blob = rest.partition("/")
        if container and not blob and query(call, "restype") != "container":
            container, blob = ROOT, container
        return cls(account.lower(), container or None, blob or None, endpoint)


@dataclass(frozen=True, slots=True)
class BlobRequest:
    """One authenticated call."""

    world: LocalAzure
    call: HttpRequest
    caller: str
    """The object id in the token, or of whoever got the key of a shared access signature."""
    target: Target
    account: Resource
    shared: SharedAccess | None = None
    """What a shared access signature leaves of the caller's rights; none if the caller calls itself."""

    @property
    def scope(self) -> Scope:
        """Where rights are looked for: the container, or the account."""
        within = f"/blobServices/default/containers/{self.target.container}" if self.target.container else ""
        return Scope.of(self.account.id + within)

    @property
    def container(self) -> Container:
        """The container; raises Azure's 404."""
        found = self.account.containers.get(self.target.container or "")
        if found is None:
            raise errors.container_not_found()
        return found

    def require(self, verb: str) -> None:
        """Raises 403 unless the caller may do this with containers themselves: ``read``. No signature gives that."""
        if self.shared is not None:
            raise errors.mismatch()
        self._require(Circumstances(f"{_CONTAINERS}/{verb}", resource=self._resource(), known=KNOWN), data=False)

    def require_in_account(self, action: str) -> None:
        """Raises 403 unless the caller may do this with the account as a whole."""
        if self.shared is not None:
            raise errors.mismatch()
        self._require(Circumstances(action, resource=self._resource(), known=KNOWN), data=False)

    def require_data(self, *verbs: str, listing: str | None = None) -> None:
        """Raises 403 unless the caller may do one of these with blobs: ``read``, ``add/action``.

        ``listing`` is the prefix of a list.
        """
        prefix = {_PREFIX: (listing,)} if listing is not None else {}
        suboperation = "Blob.List" if listing is not None else None
        left = [verb for verb in verbs if self.shared is None or self.shared.gives(verb, is_listing=listing is not None)]
        self._require(
            *(Circumstances(f"{_BLOBS}/{verb}", prefix, self._resource(), suboperation, KNOWN) for verb in left), data=True
        )

    def _require(self, *alternatives: Circumstances, data: bool) -> None:
        verdicts = (decide(self.world, self.caller, self.scope, asked, data=data, observer="blob") for asked in alternatives)
        if Verdict.GRANTED not in verdicts:
            raise errors.mismatch()

    def _resource(self) -> Mapping[str, tuple[str, ...]]:
        named = {_ACCOUNT_NAME: self.target.account, _CONTAINER_NAME: self.target.container, _BLOB_PATH: self.target.blob}
        return {name: (value,) for name, value in named.items() if value}


type Operation = Callable[[BlobRequest], Reply]


def query(call: HttpRequest, name: str) -> str:
    """A query parameter's value, empty when it is missing."""
    return call.query.get(name, "")


def find_account(world: LocalAzure, name: str) -> Resource:
    """The storage account with this name, in whatever group; raises 404."""
    ending = f"/providers/{_ACCOUNTS}/{name}".casefold()
    for key, found in world.tree.resources.items():
        if key.endswith(ending):
            return found
    raise errors.account_not_found()
