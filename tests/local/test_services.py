"""A new service of the local cloud is one class in the list of services: everything else finds it there."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from local.cloud import services
from local.cloud.engine.errors import InputError
from local.cloud.engine.http import HttpRequest, Json, Reply, Route
from local.cloud.engine.service import REST, Endpoint
from local.cloud.local_azure import LocalAzure
from local.cloud.local_cloud import running
from tests.local.conftest import Cloud


@dataclass(slots=True)
class Shelf:
    """What the toy service keeps."""

    books: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Most:
    """Its only limit."""

    books: int = 2

    def as_json(self) -> Json:
        """By name."""
        return {"books": self.books}

    def check(self, settings: Mapping[str, Any]) -> None:
        """Whole numbers alone."""
        if not isinstance(settings.get("books", 0), int):
            raise InputError("books must be a whole number")

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Sets it."""
        self.check(settings)
        self.books = settings.get("books", self.books)


class Library:
    """A service that stores books."""

    name = "library"
    endpoint = Endpoint(hosts=("*.library.example",), paths=("books",))

    def __init__(self) -> None:
        self.limits = Most()
        self.routes = (Route("PUT", "/books/{title}", self._store),)

    def _store(self, world: LocalAzure, call: HttpRequest) -> Reply:
        shelf = world.of(Shelf).books
        if len(shelf) >= self.limits.books:
            return self.error(409, "Full", "The shelf is full.")
        shelf.append(call.params["title"])
        return Reply(201, {})

    def error(self, status: int, code: str, message: str) -> Reply:
        """An error in its own shape."""
        return Reply(status, {"library": code, "text": message})

    def finish(self, world: LocalAzure, call: HttpRequest, reply: Reply) -> Reply:
        """Whose books they are, and what was done."""
        return replace(reply, headers={"x-library": world.tenant_id, "x-done": call.method})

    def state(self, world: LocalAzure) -> Json:
        """The shelf."""
        return {"books": list(world.of(Shelf).books)}


@pytest.fixture(scope="module")
def _library() -> Iterator[tuple[str, str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(services, "AZURE", (*services.AZURE, Library))
        with running() as cloud:
            yield cloud.control_url, str(cloud.ca_bundle)


@pytest.fixture
def library(_library: tuple[str, str]) -> Iterator[Cloud]:
    """A local cloud with one service more."""
    url, bundle = _library
    with httpx.Client(verify=ssl.create_default_context(cafile=bundle), trust_env=False) as http:
        found = Cloud(url, bundle, http)
        found.control("POST", "reset")
        yield found


def _put(cloud: Cloud, title: str, endpoint: str = "library", **options: Any) -> int:
    return cloud.http.put(f"{cloud.endpoints[endpoint]}/books/{title}", **options).status_code


def test_it_has_a_port_and_is_found_by_path_and_by_name(library: Cloud) -> None:
    """The certificate covers its names as well."""
    name = "one.library.example"
    statuses = [_put(library, "own"), _put(library, "shared", "all_tls")]
    url = f"{library.endpoints['all_tls']}/nothing"
    reply = library.http.get(url, headers={"host": name}, extensions={"sni_hostname": name})
    assert ([201, 201], 501, "NotImplemented") == (statuses, reply.status_code, reply.json()["library"])


def test_it_meets_faults_and_is_in_the_ledger(library: Cloud) -> None:
    """By its name, in its own error shape."""
    library.control("PUT", "faults", [{"service": "library", "effect": {"status": 503, "code": "Away"}}])
    _put(library, "lost")
    assert [("library", "/books/lost", 503)] == [
        (call["service"], call["path"], call["status"]) for call in library.control("GET", "calls")
    ]


def test_its_state_is_listed_and_forgotten_at_reset(library: Cloud) -> None:
    """Beside what the others hold."""
    _put(library, "kept")
    before = library.control("GET", "state")
    library.control("POST", "reset")
    assert (["kept"], []) == (before["books"], library.control("GET", "state")["books"])
    assert {"applications", "role_assignments", "vault_secrets"} < before.keys()


def test_its_limits_are_set_with_the_others(library: Cloud) -> None:
    """All of them, or none when one does not fit."""
    library.control("PUT", "limits", {"library": {"books": 0}, "graph": {"directory_objects": 7}})
    refused = library.http.put(f"{library.control_url}/limits", json={"library": {"books": 3}, "graph": {"no": 1}})
    limits = library.control("GET", "limits")
    assert (400, 0, 7, 409) == (
        refused.status_code,
        limits["library"]["books"],
        limits["graph"]["directory_objects"],
        _put(library, "much"),
    )


@pytest.mark.parametrize("tls", [True, False], ids=["common TLS port", "plain port"])
def test_one_service_takes_what_no_other_is_called_by(tls: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Otherwise some call would have nobody to answer it, or two."""
    endpoints = [service().endpoint for service in services.AZURE]
    assert 1 == sum(REST in endpoint.paths for endpoint in endpoints if endpoint.tls is tls)


def test_no_name_or_path_belongs_to_two_services() -> None:
    """The first in the list would answer for both."""
    endpoints = [service().endpoint for service in services.AZURE]
    called = [(endpoint.tls, name) for endpoint in endpoints for name in (*endpoint.hosts, *endpoint.paths)]
    assert sorted(set(called)) == sorted(called)
