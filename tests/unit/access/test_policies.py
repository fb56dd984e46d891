"""Policies: their faults, each with its path, and the paths that a pattern covers."""

from __future__ import annotations

from typing import Any

import pytest

from shared.core.access.documents import asked_for
from shared.core.access.policy import (
    ASKED,
    CAPABILITIES,
    Rule,
    policy_cautions,
    read_policy,
    restore_policy,
    unknown_roles,
    write_policy,
)
from shared.core.access.stars import covers_text
from shared.core.errors import Malformed
from shared.core.names import Unparsable

READ = ["read"]
ULID = "01kh6n8yv0t1c8r5a9z2x4b7qd"
LEASE = f"web.{ULID}"


def faults(document: Any) -> list[tuple[str, str]]:
    """Returns the path and the sentence of each fault."""
    with pytest.raises(Malformed) as refused:
        read_policy("ops", document)
    return [(fault.path, fault.message) for fault in refused.value.faults]


def rule(path: Any, *capabilities: Any) -> dict[str, Any]:
    """Returns a policy of one rule."""
    return {"rules": [{"path": path, "capabilities": [*capabilities]}]}


@pytest.mark.parametrize(
    ("document", "paths"),
    [
        (None, ["", "rules"]),
        ([], ["", "rules"]),
        ({}, ["rules"]),
        ({"rules": None}, ["rules"]),
        ({"rules": []}, ["rules"]),
        ({"rules": "x"}, ["rules"]),
        ({"rules": [{"path": "audit", "capabilities": READ}] * 257}, ["rules"]),
        (
            {"rules": [None, 5, []]},
            [f"rules[{n}]{end}" for n in range(3) for end in ("", ".path", ".capabilities")],
        ),
        ({"rules": [{}]}, ["rules[0].path", "rules[0].capabilities"]),
        ({"rules": [{"path": None, "capabilities": None}]}, ["rules[0].path", "rules[0].capabilities"]),
        ({"rules": [{"path": "audit", "capabilities": []}]}, ["rules[0].capabilities"]),
        ({"rules": [{"path": "audit", "capabilities": "read"}]}, ["rules[0].capabilities"]),
        (rule("audit", "read", 5, None, ["read"]), [f"rules[0].capabilities[{place}]" for place in (1, 2, 3)]),
        (rule("audit", "deny", "read"), ["rules[0].capabilities"]),
        (rule("audit", "READ"), ["rules[0].capabilities[0]"]),
        (rule("audit", "read", "write"), ["rules[0].capabilities[1]"]),
        (rule("roles/web/leases", "issue", "read", "revoke", "list"), [f"rules[0].capabilities[{n}]" for n in (1, 3)]),
        (rule("leases/*", "issue", "delete"), ["rules[0].capabilities[0]", "rules[0].capabilities[1]"]),
        (rule("x" * 257, "read"), ["rules[0].path"]),
        (
            {
                "rules": [
                    {"path": "rols/x", "capabilities": ["raed"], "when": 1},
                    {"path": "audit", "capabilities": READ},
                    {"path": "/audit", "capabilities": READ},
                ],
                "note": "x",
            },
            ["rules[0].capabilities[0]", "rules[0].path", "rules[0].when", "rules[2].path", "note"],
        ),
    ],
)
def test_every_fault_has_its_path(document: Any, paths: list[str]) -> None:
    """All of them, at once."""
    assert paths == [path for path, _ in faults(document)]


@pytest.mark.parametrize(
    "path",
    [
        *("", "/", "/roles", "roles/", "roles//leases", "roles/./leases", "roles/../x", ".", "*", "*/x", "ro*", "role*/x"),
        *("leases", "audit/x", "roles/x/leases/y", "roles/x/lease", "Roles/x", "explain", "import", "health", "whoami"),
        *("roles/x/", "status/*", "sweep/x", "policies/x/y", "roles/*/*/*", "roles/x/Leases", "auth_roles/x", "\u200b"),
    ],
)
def test_a_path_that_no_call_has_is_a_fault(path: str) -> None:
    """A rule on it would never count, and its author would not know."""
    for capability in ("deny", "read"):
        assert ["rules[0].path"] == [where for where, _ in faults(rule(path, capability))]


@pytest.mark.parametrize(
    ("document", "ends"),
    [
        (rule("polices/x", "read"), "did you mean policies?"),
        (rule("role/x", "read"), "did you mean roles?"),
        (rule("auth-role", "list"), "did you mean auth-roles?"),
        (rule("roles/web/lease", "issue"), "did you mean roles/{role}/leases?"),
        (rule("audit", "raed"), "did you mean read?"),
        (rule("audit", "reed"), "did you mean read?"),
        (rule("audit", "isue"), "did you mean issue?"),
        (rule("audit", "denied"), "did you mean deny?"),
        (rule("audit", "READ"), "did you mean read?"),
        (rule("Audit", "read"), "did you mean audit?"),
        (rule("audit", "list"), "no call asks for list on this path, but for read"),
        (rule("roles/*", "issue"), "no call asks for issue on this path, but for read, write, delete"),
    ],
)
def test_a_fault_names_the_nearest_right_word(document: Any, ends: str) -> None:
    """Or what the path is asked for."""
    ((_, message),) = faults(document)
    assert message.endswith(ends), message


_OF_A_LEASE, _OF_A_ROLE = (
    "can be no lease: its id is the name of a role, a dot and 26 characters",
    "can be no role: its name is 1 to 63 characters of a-z, 0-9 and '-'",
)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        *(
            (f"roles/{name}/leases", f"{name} {_OF_A_ROLE}")
            for name in ("A", "a b", "a.b", "-a", "a" * 64, "A*", "-*", "\u00e9")
        ),
        ("roles/A", f"A {_OF_A_ROLE}"),
        ("policies/a_b", "a_b can be no document: its name is 1 to 63 characters of a-z, 0-9 and '-'"),
        *(
            (f"leases/{name}", f"{name} {_OF_A_LEASE}")
            for name in ("x", "web", "web.", f".{ULID}", f"Web.{ULID}", f"web.{ULID}0")
        ),
        *(
            (f"leases/{name}", f"{name} {_OF_A_LEASE}")
            for name in ("web.8*", "web.*l", f"web.{ULID}*", f"*{ULID}0", "W*", "*_*")
        ),
    ],
)
def test_a_name_that_nothing_can_have_is_a_fault(path: str, message: str) -> None:
    """No call would ever ask for such a path. A stored rule goes on as it was."""
    document = rule(path, "deny")
    assert [("rules[0].path", message)] == faults(document)
    stored = restore_policy("ops", document, "v")
    assert ((), path, True) == (stored.faults, stored.rules[0].path, stored.denies)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "roles/*",
            "roles/a*",
            "roles/*a",
            "roles/a*-*b/leases",
            "roles/a-",
            "leases/*",
            "leases/web.*",
            "leases/w*",
            "leases/*.0*",
        ),
        *(
            f"leases/{name}"
            for name in (LEASE, f"web.{ULID[:-1]}*", f"web*{ULID[1:]}", f"*{ULID}", "*a*b*", "*z", f"*.{ULID}", "w*b.*")
        ),
    ],
)
def test_a_pattern_that_some_name_has_is_none(path: str) -> None:
    """A star stands for one or more characters, and those may have the dot of a lease's id among them."""
    assert path == read_policy("ops", rule(path, "deny")).rules[0].path


@pytest.mark.parametrize(
    ("ask", "hint"), [("isue roles/x", "issue"), ("READ audit", "read"), ("dance roles/x", ""), ("isue", "")]
)
def test_an_ask_is_told_with_the_capability_that_is_meant(ask: str, hint: str) -> None:
    """If a path stands beside it."""
    with pytest.raises(Unparsable) as refused:
        asked_for(ask)
    assert str(refused.value).endswith(f"; did you mean {hint}?" if hint else "a blank and a path")


@pytest.mark.parametrize("path", ASKED)
def test_exactly_what_calls_ask_for_on_a_path_may_be_given_there(path: str) -> None:
    """For a path with names, and for one with stars. Deny may stand on each."""
    named = path.replace("{id}", LEASE).replace("{", "").replace("}", "")
    for pattern in (named, "/".join("*" if "{" in each else each for each in path.split("/"))):
        given = set()
        for capability in CAPABILITIES:
            try:
                read_policy("ops", rule(pattern, capability))
                given.add(capability)
            except Malformed:
                continue
        assert ASKED[path] == given
        assert read_policy("ops", rule(pattern, "deny")).denies


def test_a_star_in_the_last_segment_may_give_what_any_of_its_words_may() -> None:
    """``roles/*/*`` covers ``roles/x/leases``, and nothing else."""
    assert read_policy("ops", rule("roles/*/*", "issue", "revoke")).rules[0].allows("roles/web/leases", "issue")


def test_a_policy_that_is_written_back_is_the_same() -> None:
    """A capability that stands twice is kept once. 256 rules are taken."""
    document = {"rules": [{"path": f"roles/r{n}/leases", "capabilities": ["issue", "revoke", "issue"]} for n in range(255)]}
    document["rules"].append({"path": "roles/*/leases", "capabilities": ["deny"]})
    policy = read_policy("ops", document)
    assert policy == read_policy("ops", write_policy(policy))
    assert (256, ("issue", "revoke"), True) == (len(policy.rules), policy.rules[0].capabilities, policy.rules[-1].denies)


@pytest.mark.parametrize(
    ("pattern", "covered", "left_out"),
    [
        ("audit", ["audit"], ["Audit", "audit/x", "audits", ""]),
        ("roles/*", ["roles/x", "roles/web-2"], ["roles", "roles/", "roles/x/leases", "role/x"]),
        ("roles/*/leases", ["roles/x/leases"], ["roles//leases", "roles/x", "roles/x/y/leases", "roles/x/leases/y"]),
        ("roles/web*", ["roles/web2", "roles/web-a"], ["roles/web", "roles/we", "roles/Web2"]),
        ("roles/*web", ["roles/aweb"], ["roles/web", "roles/webb"]),
        ("roles/w*b", ["roles/web", "roles/w..b", "roles/wbb"], ["roles/wb", "roles/we"]),
        ("roles/*a*", ["roles/xax", "roles/aaa"], ["roles/a", "roles/xa", "roles/ax", "roles/aa"]),
        ("roles/**", ["roles/xy"], ["roles/x"]),
        ("roles/a*a", ["roles/aba", "roles/aaa"], ["roles/aa", "roles/a"]),
        ("roles/a.c", ["roles/a.c"], ["roles/abc"]),
        ("leases/web.*", ["leases/web.01"], ["leases/web.", "leases/web-2.01"]),
        ("leases/*", ["leases/x\ny"], []),
    ],
)
def test_a_star_is_one_or_more_characters_in_one_segment(pattern: str, covered: list[str], left_out: list[str]) -> None:
    """Case counts, and nothing reaches deeper."""
    asked = Rule(pattern, ("read",))
    assert covered == [path for path in (*covered, *left_out) if asked.covers(path)]
    assert [False, False] == [asked.allows((*covered, "")[0], "list"), Rule(pattern).allows((*covered, "")[0], "read")]


def test_a_pattern_of_many_stars_takes_no_time() -> None:
    """With backtracking, this comparison would not end in a lifetime."""
    assert not covers_text("*a" * 127 + "b", "a" * 255)
    assert covers_text("*a" * 100, "ba" * 100)


def test_a_policy_that_gives_the_writing_of_roles_is_warned() -> None:
    """The bindings of a role can be moved to any scope that the broker may assign at."""
    document = {"rules": [{"path": "roles/*", "capabilities": READ}, {"path": "roles/w*", "capabilities": ["write"]}]}
    assert [("rules[1]", "writes_grants")] == [(each.path, each.code) for each in policy_cautions(read_policy("p", document))]
    assert [] == [*policy_cautions(read_policy("p", rule("sweep", "write")))]


def test_a_rule_about_a_role_that_is_not_there_is_warned() -> None:
    """A spelling mistake gives nothing, and nobody would notice."""
    paths = ("roles/web/leases", "roles/we*/leases", "roles/webb", "roles/*", "roles", "audit", "roles/x*/leases")
    policy = read_policy("p", {"rules": [{"path": path, "capabilities": ["deny"]} for path in paths]})
    assert ["rules[2].path", "rules[6].path"] == [each.path for each in unknown_roles(policy, ["web", "web-2"])]
    assert 5 == len([*unknown_roles(policy, [])])


@pytest.mark.parametrize(
    ("stored", "holds"),
    [
        (rule("audit", "read"), [Rule("audit", ("read",))]),
        (rule("vaults/x", "read", "sign"), [Rule("vaults/x", ("read",))]),
        (rule("vaults/x", "sign"), []),
        (rule("audit", "read", "deny"), [Rule("audit")]),
        (rule("vaults/x", "deny", [], "sign"), [Rule("vaults/x")]),
        (rule("audit", [], "read"), [Rule("audit", ("read",))]),
        (rule(5, "deny"), []),
        ({"rules": [rule("audit", "read")["rules"][0] | {"parameters": {"x": "y"}}]}, []),
        ({"rules": [rule("audit", "deny")["rules"][0] | {"parameters": {"x": "y"}}]}, [Rule("audit")]),
        (rule("audit", "read") | {"until": 5}, []),
        (rule("audit", "deny") | {"until": 5}, [Rule("audit")]),
        ({"rules": [None, [], "x", *rule("audit", "deny")["rules"]]}, [Rule("audit")]),
        ({"rules": {"path": "audit"}}, []),
        (None, []),
    ],
)
def test_of_a_stored_policy_every_deny_holds_and_no_condition_is_lost(stored: Any, holds: list[Rule]) -> None:
    """A later version may have written it. A field that is not known may be a condition of what is given."""
    policy = restore_policy("p", stored, "7")
    assert (holds, "7", "p") == ([*policy.rules], policy.version, policy.name)


@pytest.mark.parametrize("document", [{"rules": []}, {"rules": [{"path": "audit", "capabilities": []}]}])
def test_a_list_that_must_be_there_is_not_to_be_left_out(document: Any) -> None:
    """The sentence does not say so, as it does of lists that may be absent."""
    with pytest.raises(Malformed) as caught:
        read_policy("p", document)
    assert [False] == ["leave the field out" in fault.message for fault in caught.value.faults]
