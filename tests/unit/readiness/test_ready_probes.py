"""Probes in a role's document, and the hosts to which a token may go."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.errors import Fault
from shared.core.parsing import Reader
from shared.core.readiness.probes import DataHosts, HostKind, ReadyProbe, host_of
from shared.kinds.ready_probes import (
    keep_ready_probes,
    kept_ready_probes,
    read_ready_probes,
    restore_ready_probes,
    write_ready_probes,
)

URL, RESOURCE = "https://acct.blob.core.windows.net/c?restype=container&comp=list", "https://storage.azure.com"
LEAST = {"url": URL, "resource": RESOURCE}


def read(*probes: Any, assignments: int = 3) -> tuple[tuple[ReadyProbe, ...], list[str]]:
    """The probes, and the paths of faults."""
    faults: list[Fault] = []
    found = read_ready_probes(Reader({"ready_probes": [*probes]}, "", faults), assignments)
    return found, [fault.path for fault in faults]


def test_the_least_is_an_address_and_a_resource() -> None:
    """200 is a yes."""
    assert ((ReadyProbe(URL, RESOURCE, (200,), None),), []) == read(LEAST)
    assert ((), []) == (read_ready_probes(Reader({}), 3), [])


def test_what_was_read_is_written_and_read_again() -> None:
    """Also from storage."""
    given = [LEAST | {"expect": [200, 404], "covers": [2, 0]}, LEAST | {"resource": f"{RESOURCE}/"}]
    probes, faults = read(*given)
    assert [] == faults
    written = write_ready_probes(probes)
    assert [LEAST | {"expect": [200, 404], "covers": [2, 0]}, LEAST | {"expect": [200]}] == written
    assert probes == read(*written)[0] == restore_ready_probes({"ready_probes": written})


@pytest.mark.parametrize(
    "url",
    [
        *("http://acct.blob.core.windows.net/", "https://acct.blob.core.windows.net", "//acct.blob.core.windows.net/"),
        *("https://acct.blob.core.windows.net:443/", "https://user@acct.blob.core.windows.net/", "https://acct/"),
        *("https://user:pw@acct.blob.core.windows.net/", "https://acct.blob.core.windows.net/#x", "https:///x"),
        *("https://ACCT.blob.core.windows.net/", "https://acct.blob.core.windows.net\\@evil.example/"),
        *("https://acct.blob.core.windows.net/\\x", "https://acct.blob.core.windows.net/a b", " " + URL, URL + "\n"),
        *("https://acct.blob.core.windows.net/\u00e4", "https://\u0430cct.blob.core.windows.net/", "https://[::1]/"),
        *("https://acct.blob.core.windows.net?comp=list", "https://acct..blob.core.windows.net/", URL + "x" * 2048, "", 1),
        *("https://acct.blob.core.windows.net/\t", "https://acct.blob.core.windows.net%2f/", "https://acct%2eblob.x/"),
    ],
)
def test_an_address_that_can_be_read_in_two_ways_is_refused(url: Any) -> None:
    """Then nobody knows where the token would go."""
    assert ((), ["ready_probes[0].url"]) == read(LEAST | {"url": url})


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"resource": "storage"}, "resource"),
        ({"resource": "https://storage.azure.com/.default"}, "resource"),
        ({"expect": []}, "expect"),
        ({"expect": [True]}, "expect[0]"),
        ({"expect": [199]}, "expect[0]"),
        ({"expect": [200, 500]}, "expect[1]"),
        ({"expect": [200, 200]}, "expect"),
        ({"expect": [*range(200, 209)]}, "expect"),
        ({"expect": 200}, "expect"),
        ({"covers": []}, "covers"),
        ({"covers": [3]}, "covers[0]"),
        ({"covers": [-1]}, "covers[0]"),
        ({"covers": ["0"]}, "covers[0]"),
        ({"covers": [0, 0]}, "covers"),
        ({"method": "GET"}, "method"),
    ],
)
def test_each_fault_is_told_at_its_path(change: dict[str, Any], path: str) -> None:
    """The probe is not read then."""
    assert ((), [f"ready_probes[0].{path}"]) == read(LEAST | change)


def test_a_role_without_assignments_has_nothing_to_cover() -> None:
    """Its groups show nowhere else."""
    assert ((), ["ready_probes[0].covers"]) == read(LEAST | {"covers": [0]}, assignments=0)


@pytest.mark.parametrize("missing", ["url", "resource"])
def test_both_are_required(missing: str) -> None:
    """Nothing is guessed."""
    assert ((), [f"ready_probes[0].{missing}"]) == read({key: value for key, value in LEAST.items() if key != missing})


def test_there_are_four_at_most() -> None:
    """Each of them is read twenty times."""
    assert [] == read(*([LEAST] * 4))[1]
    assert ["ready_probes"] == read(*([LEAST] * 5))[1]


@pytest.mark.parametrize(
    "stored", [None, "x", [None], [{"url": URL}], [{"resource": RESOURCE}], [LEAST | {"url": "http://x"}], [LEAST | {"url": 1}]]
)
def test_a_stored_probe_that_cannot_be_read_covers_nothing(stored: Any) -> None:
    """The role then says what is not seen."""
    assert () == restore_ready_probes({"ready_probes": stored})


def test_what_a_probe_covers_is_kept_beside_the_document() -> None:
    """By its place. What is missing or damaged covers nothing."""
    probes = tuple(ReadyProbe(URL, RESOURCE, covered=places) for places in ((0, 2), (), (1,)))
    bare = tuple(ReadyProbe(URL, RESOURCE) for _ in probes)
    assert {"covered": [[0, 2], [], [1]]} == keep_ready_probes(probes)
    assert probes == kept_ready_probes(bare, keep_ready_probes(probes))
    assert [(0,), (), ()] == [each.covered for each in kept_ready_probes(bare, {"covered": [[0, "x", True], None]})]
    assert {} == keep_ready_probes(())


HOSTS = DataHosts("core.windows.net", "vault.azure.net", "management.azure.com")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        *((f"acct.{kind}.core.windows.net", kind) for kind in (HostKind.BLOB, HostKind.QUEUE, HostKind.TABLE, HostKind.DFS)),
        ("key-vault.vault.azure.net", HostKind.VAULT),
        ("management.azure.com", HostKind.RESOURCE_MANAGER),
        ("acct-secondary.blob.core.windows.net", HostKind.BLOB),
        ("acct.file.core.windows.net", None),
        ("a.b.blob.core.windows.net", None),
        ("blob.core.windows.net", None),
        ("vault.azure.net", None),
        ("a.b.vault.azure.net", None),
        ("acct.blob.core.windows.net.evil.example", None),
        ("evilblob.core.windows.net", None),
        ("x.management.azure.com", None),
        ("acct.blob.core.usgovcloudapi.net", None),
        ("graph.microsoft.com", None),
        ("ab.blob.core.windows.net", None),
        (".blob.core.windows.net", None),
        ("", None),
    ],
)
def test_a_token_goes_to_the_clouds_own_hosts_alone(host: str, expected: HostKind | None) -> None:
    """One label, and a suffix of this cloud's."""
    assert expected is HOSTS.kind_of(host)


def test_each_service_takes_tokens_for_its_own_resource() -> None:
    """In each cloud."""
    hosts = DataHosts("core.usgovcloudapi.net", "vault.usgovcloudapi.net", "management.usgovcloudapi.net")
    assert "https://storage.azure.com" == hosts.resource_of(HostKind.TABLE)
    assert "https://vault.usgovcloudapi.net" == hosts.resource_of(HostKind.VAULT)
    assert "https://management.usgovcloudapi.net" == hosts.resource_of(HostKind.RESOURCE_MANAGER)


def test_a_host_is_read_as_it_was_checked() -> None:
    """And is empty of what was never read."""
    assert ["acct.blob.core.windows.net", ""] == [host_of(URL), host_of("https://x:1/")]
    assert "acct.blob.core.windows.net" == ReadyProbe(URL, RESOURCE).host
