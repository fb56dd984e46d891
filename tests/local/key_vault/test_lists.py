"""Lists come in pages, whose next one is named by an address."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

import pytest

from local.cloud.engine.http import Reply
from local.cloud.key_vault.paging import read_token, write_token
from tests.local.key_vault.calls import Vault, names, outcome


def _pages(vault: Vault, path: str, **query: str) -> list[Reply]:
    """The list, page by page, by the addresses that the pages give."""
    pages = [vault.call("GET", path, **query)]
    while following := pages[-1].body["nextLink"]:
        query = {name.removeprefix("$"): value for name, value in parse_qsl(urlsplit(following).query)}
        version = query.pop("api-version")
        pages.append(vault.call("GET", urlsplit(following).path, version=version, **query))
    return pages


@pytest.mark.parametrize(("size", "pages"), [("1", 5), ("2", 3), ("5", 1), ("25", 1)])
def test_every_secret_is_on_one_page(vault: Vault, size: str, pages: int) -> None:
    """In the order of their names, in any case."""
    for name in ("b", "A", "c", "D", "e"):
        vault.put(name)
    found = _pages(vault, "/secrets", maxresults=size)
    assert pages == len(found)
    assert ["A", "b", "c", "D", "e"] == [name for page in found for name in names(page)]


def test_a_page_has_twenty_five_unless_asked_for_fewer(vault: Vault) -> None:
    """Of versions too."""
    made = sorted(vault.put("db") for _ in range(27))
    found = [names(page) for page in _pages(vault, "/secrets/db/versions")]
    assert ([25, 2], made) == ([len(page) for page in found], [name for page in found for name in page])


def test_deleted_and_live_ones_share_the_pages(vault: Vault) -> None:
    """So a page can be empty though there is another one: whoever reads must follow the address, and not the number."""
    for name in ("a", "b", "c", "d"):
        (vault.put if name == "d" else vault.gone)(name)
    assert [[], [], [], ["d"]] == [names(page) for page in _pages(vault, "/secrets", maxresults="1")]
    assert [["a", "b"], ["c"]] == [names(page) for page in _pages(vault, "/deletedsecrets", maxresults="2")]


def test_the_address_is_the_vaults_with_its_port(vault: Vault) -> None:
    """The page's size stands at its end, if one was asked for."""
    vault.put("a")
    vault.put("b")
    token = write_token("B")
    following = vault.call("GET", "/secrets", maxresults="1").body["nextLink"]
    assert f"https://one.vault.azure.net:443/secrets?api-version=7.4&$skiptoken={token}&maxresults=1" == following


def test_the_address_keeps_to_a_port_of_ones_own(vault: Vault) -> None:
    """Where the vault stands in the path."""
    vault.put("a")
    vault.put("b")
    headers = {"authorization": f"Bearer {vault.azure.token(vault.administrator, 'https://vault.azure.net')}"}
    query = {"api-version": "7.4", "maxresults": "1"}
    following = vault.send("GET", "/one/secrets", query, {**headers, "host": "127.0.0.1:7443"}).body["nextLink"]
    assert following.startswith("https://127.0.0.1:7443/one/secrets?api-version=7.4&")


@pytest.mark.parametrize("row", ["SECRET2", "LIVE/0F1E", "A"])
def test_a_marker_is_read_as_it_was_written(row: str) -> None:
    """The row at which the next page begins."""
    assert row == read_token(write_token(row))


def test_a_marker_of_a_version_begins_at_its_secret(vault: Vault) -> None:
    """Azure's lists of secrets give such ones out."""
    vault.put("a")
    vault.put("b")
    assert ["b"] == names(vault.call("GET", "/secrets", skiptoken=write_token("B/00")))


@pytest.mark.parametrize("token", ["x", "", "e30", "eyJOZXh0TWFya2VyIjoiMiJ9", "bnVsbA"])
def test_a_marker_that_was_never_given_out_is_refused(vault: Vault, token: str) -> None:
    """Rather than beginning anew."""
    assert (400, "BadParameter") == outcome(vault.call("GET", "/secrets", skiptoken=token))


@pytest.mark.parametrize("path", ["/secrets/db", "/deletedsecrets/db"])
def test_only_lists_have_pages(vault: Vault, path: str) -> None:
    """Other calls do not know the option."""
    assert (501, "NotImplemented") == outcome(vault.call("GET", path, maxresults="1"))
