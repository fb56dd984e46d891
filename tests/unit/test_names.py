from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from shared.core.names import SHARDS, LeaseId, ObjectId, RoleName, Scope, Unparsable, on_the_wire
from tests.fakes.clock import START, FixedIds

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
VAULT = f"{SUBSCRIPTION}/resourceGroups/app/providers/Microsoft.KeyVault/vaults/v1"

role_names = some.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
ulids = some.from_regex(r"[0-7][0-9a-hjkmnp-tv-z]{25}", fullmatch=True)


@given(role_names)
def test_a_role_name_is_kept_as_written(text: str) -> None:
    """Whatever fits the pattern is a role name."""
    assert text == RoleName.parse(text)


@pytest.mark.parametrize("text", ["", "-web", "Web", "web_1", "web.1", "a" * 64, "web\n", "wéb", " web", "web/../x"])
def test_refuses_what_is_no_role_name(text: str) -> None:
    """Upper case, other signs, blanks, line ends and too many characters are refused."""
    with pytest.raises(Unparsable, match="a role name is"):
        RoleName.parse(text)


@given(role_names, ulids)
def test_a_lease_id_gives_back_what_it_was_made_of(role: str, ulid: str) -> None:
    """Role and ULID come out of the id as they went in."""
    made = LeaseId.of(RoleName(role), ulid)
    assert (role, ulid) == (LeaseId.parse(str(made)).role, made.ulid)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "web",
        "web.",
        ".01kjpwd6m0v3rs3dtr98h6bcfn",
        "web.01kjpwd6m0v3rs3dtr98h6bcf",
        "web.81kjpwd6m0v3rs3dtr98h6bcfn",
        "web.01kjpwd6m0v3rs3dtr98h6bcfi",
        "web.01KJPWD6M0V3RS3DTR98H6BCFN",
        "a.b.01kjpwd6m0v3rs3dtr98h6bcfn",
        "web.01kjpwd6m0v3rs3dtr98h6bcfn\n",
    ],
)
def test_refuses_what_is_no_lease_id(text: str) -> None:
    """Both parts must be whole, in lower case, and nothing may follow."""
    with pytest.raises(Unparsable, match="a lease id is"):
        LeaseId.parse(text)


@pytest.mark.parametrize(
    ("ulid", "shard"),
    [("01kjpwd6m0v3rs3dtr98h6bcfn", "01"), ("00000000000000000000000000", "02"), ("7zzzzzzzzzzzzzzzzzzzzzzzzz", "09")],
)
def test_a_lease_stays_in_its_shard_for_ever(ulid: str, shard: str) -> None:
    """Pinned: another answer would strand the leases that are stored."""
    assert shard == LeaseId(f"web.{ulid}").shard


def test_every_shard_is_used() -> None:
    """A thousand ids fall into all sixteen partitions."""
    ids = FixedIds()
    found = {LeaseId.of(RoleName("web"), ids.ulid(START)).shard for _ in range(1000)}
    assert {f"{number:02d}" for number in range(SHARDS)} == found


@given(some.uuids())
def test_an_object_id_is_lower_case_whatever_was_written(value: object) -> None:
    """Any case is taken."""
    assert str(value) == ObjectId.parse(str(value).upper())


@pytest.mark.parametrize("text", ["", "1111", "11111111222233334444555555555555", "{11111111-2222-3333-4444-555555555555}"])
def test_refuses_what_is_no_guid(text: str) -> None:
    """Dashes are needed; braces and other forms are not taken."""
    with pytest.raises(Unparsable, match="expected a GUID"):
        ObjectId.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        SUBSCRIPTION,
        f"{SUBSCRIPTION}/resourceGroups/app",
        VAULT,
        f"{VAULT}/secrets/s1",
        f"{SUBSCRIPTION}/providers/Microsoft.Web/sites/s",
        "/providers/Microsoft.Management/managementGroups/root-1",
        f"{SUBSCRIPTION.upper()}/RESOURCEGROUPS/App",
        f"{SUBSCRIPTION}/resourceGroups/Größe-東京_(1).x",
        f"{SUBSCRIPTION}/resourceGroups/a/providers/Microsoft.Sql/servers/s/databases/my data #1",
        f"{SUBSCRIPTION}/resourceGroups/a/providers/Microsoft.Logic/workflows/that's & (this)+that;,=@$!~*",
    ],
)
def test_a_scope_is_kept_as_written(text: str) -> None:
    """Subscriptions, groups, resources, nested resources and management groups are scopes, in any case."""
    assert text == Scope.parse(text)


def test_a_scope_loses_its_last_slash() -> None:
    """A slash at the end says nothing."""
    assert f"{SUBSCRIPTION}/resourceGroups/app" == Scope.parse(f"{SUBSCRIPTION}/resourceGroups/app/")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "//",
        "/subscriptions",
        "/subscriptions/not-a-guid",
        SUBSCRIPTION[1:],
        f"{SUBSCRIPTION}//",
        f"{SUBSCRIPTION}/resourceGroups",
        f"{SUBSCRIPTION}/resourceGroups/a/other/b",
        f"{SUBSCRIPTION}/resourceGroups/a/providers/Microsoft.Web",
        f"{SUBSCRIPTION}/providers/Microsoft.Web",
        f"{SUBSCRIPTION}/resourceGroups/..",
        f"{SUBSCRIPTION}/resourceGroups/.",
        f"{SUBSCRIPTION}/providers/Microsoft.Web/sites/.",
        f"{SUBSCRIPTION}/resourceGroups/a b",
        f"{SUBSCRIPTION}/resourceGroups/a?x=1",
        f"{SUBSCRIPTION}/resourceGroups/a%2f..",
        f"{SUBSCRIPTION}/resourceGroups/a\u200b",
        f"{SUBSCRIPTION}/resourceGroups/a\\b",
        f"{SUBSCRIPTION}/providers/Microsoft.Web/sites/ s",
        f"{SUBSCRIPTION}/providers/Microsoft.Web/sites/s\ud800",
        f"{SUBSCRIPTION}/resourceGroups/a\n",
        "/providers/Microsoft.Management/managementGroups/a/providers/x",
        f"{SUBSCRIPTION}/resourceGroups/{'a' * 1024}",
    ],
)
def test_refuses_what_is_no_scope(text: str) -> None:
    """What would be sent to Azure as a path must be a resource id and nothing else."""
    with pytest.raises(Unparsable, match="a scope is"):
        Scope.parse(text)


def test_a_scope_knows_its_subscription() -> None:
    """In lower case; a management group lies in none."""
    group = Scope.parse("/providers/Microsoft.Management/managementGroups/root")
    found = (Scope.parse(VAULT.upper().replace("SUBSCRIPTIONS", "Subscriptions")).subscription_id, group.subscription_id)
    assert ("11111111-2222-3333-4444-555555555555", None) == found


@pytest.mark.parametrize(
    ("inner", "outer", "answer"),
    [
        (VAULT, VAULT.upper().replace("/SUBSCRIPTIONS", "/subscriptions"), True),
        (VAULT, f"{SUBSCRIPTION}/resourcegroups/APP", True),
        (f"{SUBSCRIPTION}/resourceGroups/app2", f"{SUBSCRIPTION}/resourceGroups/app", False),
        (SUBSCRIPTION, VAULT, False),
    ],
)
def test_a_scope_lies_within_another_by_whole_segments(inner: str, outer: str, *, answer: bool) -> None:
    """Case does not matter; a common beginning of a name does not suffice."""
    assert answer is Scope.parse(inner).within(Scope.parse(outer))


@pytest.mark.parametrize("text", ["/", "//", "/providers/Microsoft.Capacity", "/PROVIDERS/Microsoft.Billing/billingAccounts/1"])
def test_refuses_the_tenants_own_scopes_as_such(text: str) -> None:
    """Azure knows them; that they are ill-formed would be untrue."""
    with pytest.raises(Unparsable, match="neither the whole tenant"):
        Scope.parse(text)


@pytest.mark.parametrize(("one", "other"), [("GRÜN", "grün"), ("ΟΔΟΣ", "οδος"), ("ΟΔΟΣ", "οδοσ"), ("Größe", "GRÖSSE")])
def test_names_are_alike_in_any_case(one: str, other: str) -> None:
    """Not only those in ASCII."""
    first, second = (Scope.parse(f"{SUBSCRIPTION}/resourceGroups/{name}") for name in (one, other))
    assert first.key == second.key
    assert Scope.parse(f"{first}/providers/Microsoft.Web/sites/s").within(second)


def test_an_id_is_percent_encoded_on_the_wire() -> None:
    """Whatever would end a path or mean something else in it."""
    scope = Scope.parse(f"{SUBSCRIPTION}/resourceGroups/grün/providers/Microsoft.Web/sites/a #&'+(b)")
    path = "resourceGroups/gr%C3%BCn/providers/Microsoft.Web/sites/a%20%23%26%27%2B%28b%29"
    assert f"{SUBSCRIPTION[1:]}/{path}" == on_the_wire(scope)
