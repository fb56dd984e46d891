from __future__ import annotations

import pytest

from shared.core.access.stars import covers_text
from shared.core.parameters.kinds import KINDS
from tests.unit.parameters.subjects import SUB

GOOD = {
    "resource_group": ["a", "app-web", "App_1.x(2)", "größe", "\u0430pp", "\uff19", "x" * 90, ".a", "日本"],
    "storage_account": ["abc", "abc1", "1ab", "x" * 24],
    "key_vault": ["abc", "App-Web-1", "x" * 24],
    "container": ["abc", "a-b", "1-a", "x" * 63],
    "resource_name": ["a", "a b", "Web_1", "a@b", "größe", "x" * 260, "\U00010400", "$web", "a,b"],
    "subscription": [SUB, SUB.upper(), "ABCDEF00-2222-3333-4444-555555555555"],
    "database": ["a", "App_1-x", "x" * 63],
    "word": ["a", "A.b_c-1", "x" * 64],
}
BAD = {
    "resource_group": [
        *(
            "",
            "x" * 91,
            "a.",
            ".",
            "..",
            "a b",
            " a",
            "a/b",
            "a%2fb",
            "a\\b",
            "a;b",
            "a?b",
            "a#b",
            "a*",
            "{a}",
            "a'b",
            "Providers",
        ),
        *("cafe\u0301", "a\u0301", "\u2460", "\u2167", "a\u200bb", "\u202ea", "\U00010400", "a\n", "a\x00", "\u3164", "\ud800"),
    ],
    "storage_account": [
        "ab",
        "x" * 25,
        "Abc",
        "a-bc",
        "a_bc",
        "äbc",
        "\uff41\uff42\uff43",
        "\u0430b\u0441",
        "abc ",
        "abc\n",
        "abc.",
        "١٢٣",
    ],
    "key_vault": ["ab", "x" * 25, "1ab", "abc-", "a--b", "a_bc", "-abc", "abc\n", "Kelvin\u212a"],
    "container": ["ab", "x" * 64, "Abc", "a--b", "-ab", "ab-", "a.b", "$root", "$web", "$logs", "abc\n"],
    "resource_name": [
        *("", "x" * 261, "a.", ".", "..", " a", "a ", "a/b", "a%2fb", "a\\b", "a?b", "a#b", "a*b", "{a}", "a'b", 'a"b', "a;b"),
        *(
            "a:b",
            "a|b",
            "a<b",
            "a>b",
            "a&b",
            "a\x7f",
            "a\u202e",
            "a\u200b",
            "a\xa0b",
            "\ue000",
            "\ud800",
            "e\u0301",
            "providers",
        ),
    ],
    "subscription": ["", SUB.replace("-", ""), SUB[:-1], f"{{{SUB}}}", f"{SUB}\n", "x" * 36],
    "database": ["", "x" * 64, "a$b", "a b", "a'b", "a;b"],
    "word": ["", "x" * 65, "a b", "a'b", "a\\b", "a*", "{a}", "ä"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in GOOD.items() for value in values])
def test_takes_what_azure_takes(name: str, value: str) -> None:
    """Each end of each rule."""
    assert "" == KINDS[name].wrong(value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_refuses_what_is_no_name(name: str, value: str) -> None:
    """Nothing is trimmed, normalised or decoded, and no other digit or letter is taken for one of ASCII."""
    assert KINDS[name].wrong(value).startswith("expected ")


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("storage_account", "MyAccount", "; its letters are small ones"),
        ("container", "Logs", "; its letters are small ones"),
        ("container", "$web", "; $root, $web and $logs cannot be asked for"),
        ("resource_group", f"/subscriptions/{SUB}/resourceGroups/app", "; give the name: `app`"),
        ("resource_group", f"/subscriptions/{SUB}/resourceGroups/app/providers/A.B/c/web", "; give the name: `app`"),
        (
            "storage_account",
            f"/subscriptions/{SUB}/resourceGroups/app/providers/A.B/storageAccounts/acc",
            "; give the name: `acc`",
        ),
        ("storage_account", "https://acc.blob.core.windows.net/", "; give the name: `acc`"),
        ("container", "https://acc.blob.core.windows.net/logs", "; give the name: `logs`"),
        ("key_vault", "https://v1x.vault.azure.net", "; give the name: `v1x`"),
        ("subscription", f"/subscriptions/{SUB}", f"; give the name: `{SUB}`"),
        ("resource_name", "/subscriptions/x/providers/A.B/c/web", "; give the name: `web`"),
    ],
)
def test_says_what_is_meant(name: str, value: str, hint: str) -> None:
    """Capitals where none may be, and a whole id in place of a name."""
    assert KINDS[name].wrong(value).endswith(hint)


@pytest.mark.parametrize(
    "value", ["/subscriptions/x/resourceGroups/{a}", "/resourceGroups/", "//", "https://a.b/c/d/e", "/a/b"]
)
def test_no_hint_repeats_what_is_no_name(value: str) -> None:
    """A hint that cannot be followed is none."""
    assert "give the name" not in KINDS["resource_group"].wrong(value)


def test_a_value_is_bounded_in_bytes() -> None:
    """260 characters of four bytes each are the most."""
    assert "" == KINDS["resource_name"].wrong("\U00010400" * 260)
    assert "expected at most 1040 bytes" == KINDS["resource_name"].wrong("\U00010400" * 261)


def test_some_kinds_are_compared_without_regard_to_case() -> None:
    """As Azure compares resource ids, and A to Z alone."""
    assert ["resource_group", "key_vault", "resource_name", "subscription"] == [
        each.name for each in KINDS.values() if each.folds
    ]
    assert "aÄ\u212a" == KINDS["resource_group"].folded("AÄ\u212a")
    assert "AbC" == KINDS["word"].folded("AbC")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("pattern", ["*", "**", "***"])
def test_a_pattern_of_stars_alone_is_refused(name: str, pattern: str) -> None:
    """It would bound nothing: ``any`` says so in words."""
    assert "say any: true" in KINDS[name].wrong_pattern(pattern)


@pytest.mark.parametrize(
    ("name", "pattern", "good"),
    [
        *(("resource_group", "app-*", True), ("resource_group", "*-x-*", True), ("resource_group", "a/*", False)),
        *(("storage_account", "app*", True), ("storage_account", "App*", False), ("storage_account", "a-*", False)),
        *(("subscription", f"{SUB[:-1]}*", False), ("resource_group", "cafe\u0301*", False), ("resource_group", "{a}*", False)),
        *(("resource_group", "x" * 90 + "*", False), ("container", "*e\u0301", False), ("resource_group", "e*\u0301", False)),
    ],
)
def test_a_pattern_has_characters_of_its_kind(name: str, pattern: str, good: bool) -> None:  # noqa: FBT001
    """And stands in one segment."""
    assert good is (KINDS[name].wrong_pattern(pattern) == "")


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("app", ["app"], ["ap", "appx", "xapp", ""]),
        ("app-*", ["app-1", "app--", "app-app-"], ["app-", "app", "xapp-1"]),
        ("*-app", ["x-app", "-app-app"], ["-app", "x-apps"]),
        ("a*b", ["axb", "abb", "aab"], ["ab", "a", "b", "axbx"]),
        ("a*b*c", ["axbxc", "abbcc", "axbbc"], ["abc", "axbc", "abxc", "axbx"]),
        ("*b*", ["abc", "bbb"], ["b", "ab", "bc", "bb"]),
        ("a**", ["abc"], ["ab", "a"]),
        ("**a", ["bca"], ["ca"]),
        ("a*a", ["aaa", "axa"], ["aa", "a"]),
    ],
)
def test_a_star_is_one_or_more_characters(pattern: str, yes: list[str], no: list[str]) -> None:
    """Never none."""
    assert [] == [each for each in yes if not covers_text(pattern, each)]
    assert [] == [each for each in no if covers_text(pattern, each)]


def test_many_stars_take_no_time() -> None:
    """A pattern that nearly matches does not try every way."""
    assert not covers_text("a*" * 130 + "b", "a" * 100_000)
