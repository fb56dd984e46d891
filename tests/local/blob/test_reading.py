"""Lists and blobs, as Azure's clients read and write them."""

from __future__ import annotations

import pytest

from tests.local.blob.calls import CONTRIBUTOR, HOST, LIST, VERSION, Storage, code, document, names


def test_lists_containers(storage: Storage) -> None:
    """In the order of their names, with the properties that Azure shows."""
    reply = storage.call("GET", "/", storage.holder(), {"comp": "list"})

    first = document(reply).find("Containers/Container/Properties")
    assert first is not None
    assert (200, ["raw", "reports"], "application/xml") == (
        reply.status,
        names(reply, "Container"),
        reply.headers["content-type"],
    )
    assert ("unlocked", "available") == (first.findtext("LeaseStatus"), first.findtext("LeaseState"))


def test_lists_blobs(storage: Storage) -> None:
    """The list says where it is from."""
    reply = storage.call("GET", "/reports", storage.holder(), LIST)

    root = document(reply)
    assert ["2026/june.txt", "2026/may.txt", "index"] == names(reply, "Blob")
    assert (f"https://{HOST}/", "reports") == (root.get("ServiceEndpoint"), root.get("ContainerName"))
    assert "4" == root.findtext("Blobs/Blob/Properties/Content-Length")


def test_a_prefix_narrows_and_a_delimiter_folds(storage: Storage) -> None:
    """What goes on after the delimiter is one entry."""
    reader = storage.holder()

    folded = storage.call("GET", "/reports", reader, {**LIST, "delimiter": "/"})

    assert ["2026/may.txt"] == storage.listed("reports", reader, prefix="2026/m")
    assert (["2026/"], ["index"]) == (names(folded, "BlobPrefix"), names(folded, "Blob"))


def test_a_list_comes_in_pages(storage: Storage) -> None:
    """The marker leads to the next one."""
    reader = storage.holder()

    first = storage.call("GET", "/reports", reader, {**LIST, "maxresults": "2"})
    marker = str(document(first).findtext("NextMarker"))
    second = storage.call("GET", "/reports", reader, {**LIST, "maxresults": "2", "marker": marker})

    assert (["2026/june.txt", "2026/may.txt"], ["index"]) == (names(first, "Blob"), names(second, "Blob"))
    assert "" == document(second).findtext("NextMarker")


@pytest.mark.parametrize("size", ["0", "-1", "many"])
def test_a_page_has_a_size(storage: Storage, size: str) -> None:
    """Azure names the parameter."""
    reply = storage.call("GET", "/reports", storage.holder(), {**LIST, "maxresults": size})

    assert (400, "OutOfRangeQueryParameterValue") == (reply.status, code(reply))
    assert "maxresults" == document(reply).findtext("QueryParameterName")


def test_names_are_escaped(storage: Storage) -> None:
    """A name may hold what XML means something by."""
    storage.fill("raw", **{"a&b <c>": ""})

    assert ["a&b <c>"] == storage.listed("raw", storage.holder())


def test_reads_a_blob(storage: Storage) -> None:
    """With the headers that clients make properties from."""
    reply = storage.call("GET", "/reports/2026/may.txt", storage.holder(), headers={"x-ms-client-request-id": "mine"})

    assert (200, b"may", "text/plain") == (reply.status, reply.body, reply.headers["content-type"])
    assert ("BlockBlob", "mine", VERSION) == tuple(
        reply.headers[name] for name in ("x-ms-blob-type", "x-ms-client-request-id", "x-ms-version")
    )
    assert reply.headers["etag"].startswith('"0x8D')
    assert {"x-ms-request-id", "last-modified", "server"} <= reply.headers.keys()


@pytest.mark.parametrize(
    ("name", "asked", "status", "body", "shown"),
    [
        ("range", "bytes=1-2", 206, b"un", "bytes 1-2/4"),
        ("x-ms-range", "bytes=2-", 206, b"ne", "bytes 2-3/4"),
        ("x-ms-range", "bytes=0-4194303", 206, b"june", "bytes 0-3/4"),
        ("range", "lines=1-2", 200, b"june", None),
    ],
)
def test_reads_a_range(storage: Storage, name: str, asked: str, status: int, body: bytes, shown: str | None) -> None:
    """One that Azure cannot read is passed over."""
    reply = storage.call("GET", "/reports/2026/june.txt", storage.holder(), headers={name: asked})

    assert (status, body, shown) == (reply.status, reply.body, reply.headers.get("content-range"))


def test_a_range_behind_the_end_is_refused(storage: Storage) -> None:
    """416."""
    reply = storage.call("GET", "/reports/index", storage.holder(), headers={"range": "bytes=3-"})

    assert (416, "InvalidRange") == (reply.status, code(reply))


def test_what_is_not_there_is_named(storage: Storage) -> None:
    """The container first."""
    reader = storage.holder()

    assert (404, "ContainerNotFound") == storage.read("/none/one", reader)
    assert (404, "BlobNotFound") == storage.read("/raw/none", reader)
    assert (404, "ContainerNotFound") == storage.listed("none", reader)
    assert (404, "ContainerNotFound") == storage.read("/in-no-container", reader)


def test_a_container_shows_its_properties(storage: Storage) -> None:
    """By headers alone."""
    reader = storage.holder()

    found = storage.call("HEAD", "/raw", reader, {"restype": "container"})
    missing = storage.call("HEAD", "/none", reader, {"restype": "container"})

    assert (200, None, 404) == (found.status, found.body, missing.status)


def test_writes_replaces_and_deletes(storage: Storage) -> None:
    """A writer's work is there for the next call."""
    writer, kind = storage.holder(CONTRIBUTOR), {"x-ms-blob-type": "BlockBlob", "content-type": "text/csv"}

    made = storage.call("PUT", "/raw/new", writer, headers=kind, body=b"a,b")
    read = storage.call("GET", "/raw/new", writer)
    again = storage.call("PUT", "/raw/new", writer, headers={**kind, "if-none-match": "*"}, body=b"c")
    gone = [storage.call("DELETE", "/raw/new", writer).status for _ in range(2)]

    assert (201, b"a,b", "text/csv") == (made.status, read.body, read.headers["content-type"])
    assert (409, "BlobAlreadyExists", [202, 404]) == (again.status, code(again), gone)


def test_a_write_names_the_blobs_type(storage: Storage) -> None:
    """Azure names the missing header; other types are not here."""
    writer = storage.holder(CONTRIBUTOR)

    without = storage.call("PUT", "/raw/new", writer)
    page = storage.call("PUT", "/raw/new", writer, headers={"x-ms-blob-type": "PageBlob"})

    assert (400, "MissingRequiredHeader", 501) == (without.status, code(without), page.status)


@pytest.mark.parametrize(
    ("method", "path", "query", "headers"),
    [
        ("GET", "/", {}, {}),
        ("GET", "/raw", {**LIST, "include": "metadata"}, {}),
        ("GET", "/raw/one", {"snapshot": "2026-01-01"}, {}),
        ("GET", "/raw/one", {"comp": "tags"}, {}),
        ("GET", "/raw/one", {}, {"if-match": "x"}),
        ("PUT", "/raw", {"restype": "container"}, {}),
        ("POST", "/raw/one", {}, {}),
    ],
)
def test_what_is_not_here_is_501(
    storage: Storage, method: str, path: str, query: dict[str, str], headers: dict[str, str]
) -> None:
    """An option that Azure would heed is never passed over."""
    reply = storage.call(method, path, storage.holder(), query, headers)

    assert (501, "NotImplemented") == (reply.status, code(reply))


def test_an_account_is_found_by_path_as_well(storage: Storage) -> None:
    """On a port of its own its name is no host."""
    headers = {"host": "127.0.0.1:7443", "authorization": f"Bearer {storage.token(storage.holder())}", "x-ms-version": VERSION}

    listed = storage.send("GET", "/one/raw", headers, LIST)
    read = storage.send("GET", "/one/reports/2026/may.txt", headers)

    assert ("https://127.0.0.1:7443/one/", ["one"], b"may") == (
        document(listed).get("ServiceEndpoint"),
        names(listed, "Blob"),
        read.body,
    )


def test_the_state_lists_containers(storage: Storage) -> None:
    """By the account's id, with the names of blobs."""
    held = storage.blobs.state(storage.azure.world)["blob_containers"]

    assert [("reports", 3), ("raw", 1)] == [(each["name"], len(each["blobs"])) for each in held]
