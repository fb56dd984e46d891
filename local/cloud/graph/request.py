"""One authenticated request, and the replies that its handler gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local.cloud.engine.http import Json, Reply
from local.cloud.graph import errors, names
from local.cloud.graph.types import GUID_TEXT

if TYPE_CHECKING:
    from local.cloud.engine.http import HttpRequest
    from local.cloud.graph.access import Caller
    from local.cloud.graph.limits import Limits
    from local.cloud.local_azure import LocalAzure
    from local.cloud.tenant.directory import Directory

type Handler = Callable[["GraphRequest"], Reply]


@dataclass(frozen=True, slots=True)
class GraphRequest:
    """A call, who makes it, and the limits in force."""

    world: LocalAzure
    call: HttpRequest
    caller: Caller
    limits: Limits

    @property
    def directory(self) -> Directory:
        """Everything that exists."""
        return self.world.directory

    @property
    def now(self) -> float:
        """POSIX seconds on the local cloud's clock."""
        return self.world.clock.now()

    @property
    def base(self) -> str:
        """Origin and version as the caller wrote them: ``https://graph.microsoft.com/v1.0``."""
        return f"{self.call.origin}/{self.call.path.lstrip('/').partition('/')[0].lower()}"

    @property
    def upserts(self) -> bool:
        """Whether a PATCH may create what it addresses by an alternate key."""
        preferences = self.call.headers.get("prefer", "").split(",")
        return "create-if-missing" in (preference.strip().lower() for preference in preferences)

    def param(self, name: str) -> str:
        """What a name in the route matched; doubled quotes, as in a quoted key, become one."""
        return self.call.params[name].replace("''", "'")

    def guid(self, name: str) -> str:
        """The object id that a name in the route matched; refuses what is none."""
        value = self.param(name)
        if not GUID_TEXT.fullmatch(value):
            raise errors.bad_request(f"Invalid object identifier '{value}'.")
        return value.lower()

    def body(self) -> Json:
        """The JSON object that was sent; an empty body is an empty object."""
        try:
            return self.call.json()
        except ValueError:
            raise errors.unreadable() from None

    def context(self, fragment: str) -> Json:
        """The metadata annotation that every body begins with."""
        return {"@odata.context": f"{self.base}/$metadata#{fragment}"}

    def entity(self, fragment: str, body: Json, *, status: int = 200, location: str | None = None) -> Reply:
        """One resource; ``location`` is the path below ``/v2/{tenant}/`` of what was created."""
        headers = {} if location is None else {"Location": f"{self.call.origin}/v2/{self.world.tenant_id}/{location}"}
        return Reply(status, self.context(fragment) | body, headers)

    def created(self, collection: str, body: Json, kind: str) -> Reply:
        """201 with a new directory object of a kind such as ``Application``."""
        location = f"directoryObjects/{body['id']}/Microsoft.DirectoryServices.{kind}"
        return self.entity(f"{collection}/$entity", body, status=201, location=location)

    def result(self, fragment: str, body: Json) -> Reply:
        """What an action returns; Azure adds its own bare address as ``Location``."""
        return Reply(200, self.context(fragment) | body, {"Location": self.call.origin})


def done() -> Reply:
    """204."""
    return Reply(204)


def text(body: Json, name: str, resource: str, *, most: int | None = None) -> str:
    """A property that must be a text with something in it, of at most so many characters."""
    value = body.get(name)
    if value is None:
        message = f"A value is required for property '{name}' of resource '{resource}'."
        raise errors.invalid(message, "MissingValue", name)
    if not isinstance(value, str) or not value or (most is not None and len(value) > most):
        raise misfit(name, resource)
    return value


def identifier(body: Json, name: str, resource: str) -> str:
    """A property that must be a GUID."""
    value = text(body, name, resource)
    if not GUID_TEXT.fullmatch(value):
        raise misfit(name, resource)
    return value.lower()


def identifiers(body: Json, name: str, *, most: int) -> list[str]:
    """A list of at most so many GUIDs."""
    found = texts(body, name, most=most)
    if not all(GUID_TEXT.fullmatch(item) for item in found):
        raise errors.bad_request(f"Invalid value specified for parameter '{name}'.")
    return [item.lower() for item in found]


def texts(body: Json, name: str, *, most: int) -> list[str]:
    """A list of at most so many texts."""
    value: Any = body.get(name)
    if not isinstance(value, list) or len(value) > most or not all(isinstance(item, str) for item in value):
        raise errors.bad_request(f"Invalid value specified for parameter '{name}'.")
    return value


def misfit(name: str, resource: str) -> Exception:
    """400 for a value that the property cannot have."""
    message = f"Invalid value specified for property '{name}' of resource '{resource}'."
    return errors.invalid(message, "InvalidValue", name)


def referenced(body: Json) -> str:
    """The object id at the end of ``@odata.id``, which is all that a reference holds."""
    names.only("reference", (), body)
    return reference(body.get("@odata.id"))


def reference(url: object) -> str:
    """The object id at the end of a reference such as ``https://graph.microsoft.com/v1.0/directoryObjects/{id}``."""
    last = str(url).rstrip("/").rpartition("/")[2].rpartition("(")[2].strip("')")
    if not isinstance(url, str) or not GUID_TEXT.fullmatch(last):
        raise errors.bad_request("Invalid URI format. The resource link is not a valid reference to a directory object.")
    return last.lower()
