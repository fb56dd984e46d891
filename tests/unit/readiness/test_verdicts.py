"""What one answer says of a fresh credential, by its status and code."""

from __future__ import annotations

import pytest

from shared.core.definition import Permission
from shared.core.readiness.verdicts import HOPELESS, VANISHED, Verdict, Word, of_permissions, of_probe, of_sign_in

YES, NOT_YET, NEVER, NOTHING = Word.YES, Word.NOT_YET, Word.NEVER, Word.NOTHING
STAYS = (
    *range(53000, 53012),
    *(530031, 530032, 530034, 530035, 90002, 500011, 7000112, 7000222),
    *(700222, 700226, 700229, 700231, 700236, 7002138),
)


def test_the_list_of_what_stays_is_the_one_decided_on() -> None:
    """Everything else may pass."""
    assert {*STAYS} == HOPELESS
    assert {700016, 7000229} == VANISHED


@pytest.mark.parametrize("code", STAYS)
def test_a_code_that_stays_is_told(code: int) -> None:
    """Also where another one stands before it."""
    assert Verdict(NEVER, f"AADSTS{code}", 401) == of_sign_in(401, (50000, code), has_token=False)


@pytest.mark.parametrize("code", [700016, 7000215, 7000229, 70021, 700211, 700213, 50000, 1234567])
@pytest.mark.parametrize("status", [400, 401])
def test_every_other_refusal_of_what_is_fresh_may_pass(status: int, code: int) -> None:
    """Codes change."""
    assert Verdict(NOT_YET, f"AADSTS{code}", status) == of_sign_in(status, (code,), has_token=False)


@pytest.mark.parametrize(("code", "expected"), [(700016, NEVER), (7000229, NEVER), (7000215, NOT_YET), (70021, NOT_YET)])
def test_what_was_there_for_ten_minutes_and_is_absent_is_gone(code: int, expected: Word) -> None:
    """The application and its principal. The credential is always fresh."""
    assert expected is of_sign_in(400, (code,), has_token=False, is_settled=True).word


def test_a_refusal_without_a_code_may_pass() -> None:
    """A proxy's page."""
    assert Verdict(NOT_YET, "", 403) == of_sign_in(403, (), has_token=False)


@pytest.mark.parametrize(("has_token", "expected"), [(True, YES), (False, NOTHING)])
def test_a_yes_has_a_token(*, has_token: bool, expected: Word) -> None:
    """A proxy may answer in Entra's place."""
    assert expected is of_sign_in(200, (), has_token=has_token).word


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_who_is_busy_says_nothing(status: int) -> None:
    """Whoever is asked."""
    expected = Verdict(NOTHING, "", status, 7.0)
    assert expected == of_sign_in(status, (700016,), has_token=False, retry_after=7.0)
    assert expected == of_permissions(status, "x", (), ("e",), 7.0)
    assert expected == of_probe(status, "x", (200,), retry_after=7.0)


READ, WRITE = Permission(("*/read",)), Permission(("*/write",))


@pytest.mark.parametrize(
    ("shown", "wanted", "expected"),
    [
        ((READ,), (READ,), YES),
        ((WRITE, READ), (READ,), YES),
        ((READ,), (READ, WRITE), NOT_YET),
        ((), (READ,), NOT_YET),
        ((Permission(("*/READ",), ("x",)),), (READ,), NOT_YET),
    ],
)
def test_permissions_say_yes_when_every_entry_is_shown(
    shown: tuple[Permission, ...], wanted: tuple[Permission, ...], expected: Word
) -> None:
    """Whatever else is."""
    assert expected is of_permissions(200, "", shown, [each.digest for each in wanted]).word


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (403, "AuthorizationFailed", NOT_YET),
        (401, "InvalidAuthenticationToken", NOT_YET),
        (404, "ResourceGroupNotFound", NEVER),
        (404, "ResourceNotFound", NEVER),
        (404, "ParentResourceNotFound", NEVER),
        (404, "SubscriptionNotFound", NOT_YET),
        (404, "", NOT_YET),
        (403, "ResourceNotFound", NOT_YET),
    ],
)
def test_resource_manager_says_by_its_code_what_is_gone(status: int, code: str, expected: Word) -> None:
    """Of permissions and of a probe."""
    assert Verdict(expected, code, status) == of_permissions(status, code, (), ("e",))
    assert Verdict(expected, code, status) == of_probe(status, code, (200,), is_resource_manager=True)


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (200, "", YES),
        (409, "", YES),
        (403, "AuthorizationPermissionMismatch", NOT_YET),
        (403, "ForbiddenByRbac", NOT_YET),
        (403, "AuthorizationFailure", NEVER),
        (403, "ForbiddenByFirewall", NEVER),
        (403, "ForbiddenByConnection", NEVER),
        (403, "", NOT_YET),
        (404, "ContainerNotFound", NEVER),
        (404, "", NEVER),
        (301, "", NOT_YET),
        (400, "InvalidQueryParameterValue", NOT_YET),
    ],
)
def test_a_probe_says_yes_by_its_status(status: int, code: str, expected: Word) -> None:
    """What it asks for is not there, or the network may not come in: that stays."""
    assert expected is of_probe(status, code, (200, 409)).word


def test_a_status_that_is_expected_is_a_yes_whatever_it_is() -> None:
    """A queue that is not there shows that its caller may look for it."""
    assert YES is of_probe(404, "QueueNotFound", (200, 404)).word
