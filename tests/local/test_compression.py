"""Bodies that a client has compressed, at each service."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from local.cloud.engine import compression
from tests.local.conftest import Cloud

APPLICATIONS = "/v1.0/applications"
BATCH = {"requests": [{"id": "1", "method": "GET", "url": "/applications"}]}


def _graph(cloud: Cloud, path: str, content: bytes, coding: str, method: str = "POST") -> httpx.Response:
    token = cloud.token("leasehold", "https://graph.microsoft.com")
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json", "content-encoding": coding}
    return cloud.http.request(method, cloud.endpoints["graph"] + path, content=content, headers=headers)


def _packed(body: Any) -> bytes:
    return gzip.compress(json.dumps(body).encode(), mtime=0)


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "x-gzip", "gzip, identity"])
def test_graph_reads_what_gzip_has_packed(cloud: Cloud, coding: str) -> None:
    """Its SDK for Go sends every body so."""
    made = _graph(cloud, APPLICATIONS, _packed({"displayName": "packed"}), coding)
    assert (201, "packed") == (made.status_code, made.json()["displayName"])


def test_graph_reads_a_packed_change(cloud: Cloud) -> None:
    """PATCH as well as POST."""
    made = _graph(cloud, APPLICATIONS, _packed({"displayName": "packed"}), "gzip").json()
    assert _graph(cloud, f"{APPLICATIONS}/{made['id']}", _packed({"notes": "n"}), "gzip", "PATCH").status_code == 204


def test_graph_reads_a_packed_batch(cloud: Cloud) -> None:
    """A batch is a body like any other."""
    answer = _graph(cloud, "/v1.0/$batch", _packed(BATCH), "gzip")
    assert [200] == [each["status"] for each in answer.json()["responses"]]


@pytest.mark.parametrize(
    "content",
    [b"no gzip at all", _packed({"displayName": "packed"})[:-9], gzip.compress(b"{", mtime=0), gzip.compress(b"\xff", mtime=0)],
    ids=["other octets", "cut off", "broken JSON", "no text"],
)
def test_graph_refuses_what_it_cannot_unpack(cloud: Cloud, content: bytes) -> None:
    """As any other body that is no JSON."""
    answer = _graph(cloud, APPLICATIONS, content, "gzip")
    assert (400, "BadRequest") == (answer.status_code, answer.json()["error"]["code"])


def test_graph_refuses_a_body_that_unpacks_without_end(cloud: Cloud) -> None:
    """A few kilobytes may stand for gigabytes."""
    content = gzip.compress(b" " * (compression.MOST + 1))
    assert _graph(cloud, APPLICATIONS, content, "gzip").status_code == 400


@pytest.mark.parametrize("coding", ["deflate", "br", "gzip, gzip"])
def test_graph_takes_no_other_coding(cloud: Cloud, coding: str) -> None:
    """Upon 415 its SDKs send the body again as it was."""
    answer = _graph(cloud, APPLICATIONS, zlib.compress(b"{}"), coding)
    assert (415, "gzip") == (answer.status_code, answer.headers["accept-encoding"])


def test_a_stranger_is_refused_before_anything_is_unpacked(cloud: Cloud) -> None:
    """The token comes first."""
    answer = cloud.http.post(cloud.endpoints["graph"] + APPLICATIONS, content=_packed({}), headers={"content-encoding": "br"})
    assert answer.status_code == 401


def test_azure_resource_manager_takes_no_compressed_body(cloud: Cloud) -> None:
    """And nothing has happened."""
    group = f"/subscriptions/{cloud.document['subscription_id']}/resourceGroups/packed"
    token = cloud.token("leasehold", "https://management.azure.com")
    answer = cloud.http.put(
        cloud.endpoints["arm"] + group,
        params={"api-version": "2021-04-01"},
        content=_packed({"location": "westeurope"}),
        headers={"authorization": f"Bearer {token}", "content-type": "application/json", "content-encoding": "gzip"},
    )
    assert (415, "UnsupportedMediaType") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize("version", ["v2.0/", ""])
def test_entra_id_finds_no_grant_in_a_compressed_form(cloud: Cloud, version: str) -> None:
    """It does not look at the coding: AADSTS900144, not 415, so that a client does not repair here what fails in Azure."""
    made = cloud.control("POST", "secrets", {"identity": "admin"})
    form = {"grant_type": "client_credentials", "client_id": "admin", "client_secret": made["secret"]}
    answer = cloud.http.post(
        f"{cloud.endpoints['entra']}/{cloud.document['tenant_id']}/oauth2/{version}token",
        content=gzip.compress(urlencode(form).encode()),
        headers={"content-type": "application/x-www-form-urlencoded", "content-encoding": "gzip"},
    )
    assert (400, [900144]) == (answer.status_code, answer.json()["error_codes"])


@pytest.mark.parametrize("coding", ["identity", ""])
def test_a_body_that_is_not_compressed_is_read_as_it_is(cloud: Cloud, coding: str) -> None:
    """Whether the header says so or nothing."""
    assert _graph(cloud, APPLICATIONS, b'{"displayName": "plain"}', coding).status_code == 201


def test_a_coding_without_a_body_means_nothing(cloud: Cloud) -> None:
    """A read has none."""
    assert _graph(cloud, APPLICATIONS, b"", "br", "GET").status_code == 200
