"""The kind of credential of a service principal role: its fields, their faults, what is stored, and what is warned of."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.core.errors import Malformed
from shared.core.federated_identity import FederatedIdentity
from shared.core.protection import Protected
from shared.issuers.service_principal.choice import SECRET, CredentialChoice
from shared.issuers.service_principal.held import Held
from shared.issuers.service_principal.target import ServicePrincipalFootprint, ServicePrincipalTarget
from tests.fakes.world import WEB, guid, principal_target, role
from tests.support.every_kind import ARM, CERTIFICATES, FEDERATED, TOKENS, WORKLOAD
from tests.support.kinds import SCHEMAS, digest_of, read_role, restore_role, store_role, write_role
from tests.unit.test_role_document import DOCUMENT

PAIR = {"issuer": "https://issuer.example", "subject": "job-7"}
SCHEMA = SCHEMAS.of(principal_target()).schema
LONG = "s" * 601
GITHUB = "https://token.actions.githubusercontent.com"


def read(**fields: Any) -> CredentialChoice:
    """The choice of a document with these fields."""
    target = read_role(WEB, DOCUMENT | fields).target
    assert isinstance(target, ServicePrincipalTarget)
    return target.credential


def faults(**fields: Any) -> dict[str, str]:
    """Those of a document with these fields."""
    with pytest.raises(Malformed) as caught:
        read(**fields)
    return {fault.path: fault.message for fault in caught.value.faults}


def test_a_role_that_says_nothing_hands_out_secrets() -> None:
    """As every role from before does."""
    assert SECRET == read() == read(credential="secret")


@pytest.mark.parametrize("choice", [SECRET, TOKENS, FEDERATED, CERTIFICATES, CredentialChoice("federated")])
def test_what_is_written_is_read_back(choice: CredentialChoice) -> None:
    """From the public document, from storage, and leniently from storage."""
    made = role(principal_target(credential=choice))
    assert choice == read(**{k: v for k, v in write_role(made).items() if k in {"credential", *FIELDS}})
    stored = store_role(made)
    restored = restore_role(WEB, stored, "").target
    assert isinstance(restored, ServicePrincipalTarget)
    assert choice == restored.credential
    assert restored == SCHEMA.kept(SCHEMA.restore(stored), stored["resolved"])


FIELDS = ("token_scopes", "federated_identities")


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"credential": "password"}, "credential"),
        ({"credential": None}, "credential"),
        ({"credential": "token"}, "token_scopes"),
        ({"credential": "token", "token_scopes": []}, "token_scopes"),
        (
            {"credential": "token", "token_scopes": [f"https://a{each}.azconfig.io/.default" for each in range(9)]},
            "token_scopes",
        ),
        ({"credential": "token", "token_scopes": ["https://management.azure.com"]}, "token_scopes[0]"),
        ({"credential": "token", "token_scopes": ["http://management.azure.com/.default"]}, "token_scopes[0]"),
        ({"credential": "token", "token_scopes": ["https://a b/.default"]}, "token_scopes[0]"),
        ({"credential": "token", "token_scopes": ["https://u@management.azure.com/.default"]}, "token_scopes[0]"),
        ({"credential": "token", "token_scopes": ["https://management.azure.com:8443/.default"]}, "token_scopes[0]"),
        ({"credential": "token", "token_scopes": [7]}, "token_scopes[0]"),
        ({"credential": "token", "token_scopes": [ARM, ARM]}, "token_scopes[1]"),
        ({"token_scopes": [ARM]}, "token_scopes"),
        ({"credential": "certificate", "token_scopes": [ARM]}, "token_scopes"),
        ({"federated_identities": [PAIR]}, "federated_identities"),
        ({"credential": "token", "token_scopes": [ARM], "federated_identities": [PAIR]}, "federated_identities"),
        ({"credential": "federated", "federated_identities": []}, "federated_identities"),
        (
            {"credential": "federated", "federated_identities": [PAIR | {"subject": f"{each}"} for each in range(17)]},
            "federated_identities",
        ),
        ({"credential": "federated", "federated_identities": [PAIR, PAIR]}, "federated_identities[1]"),
        ({"credential": "federated", "federated_identities": [{"issuer": "https://i"}]}, "federated_identities[0].subject"),
        ({"credential": "federated", "federated_identities": [{"subject": "s"}]}, "federated_identities[0].issuer"),
        (
            {"credential": "federated", "federated_identities": [PAIR | {"issuer": "http://i"}]},
            "federated_identities[0].issuer",
        ),
        (
            {"credential": "federated", "federated_identities": [PAIR | {"issuer": "https://*.example"}]},
            "federated_identities[0].issuer",
        ),
        (
            {"credential": "federated", "federated_identities": [PAIR | {"subject": "repo:acme/*"}]},
            "federated_identities[0].subject",
        ),
        ({"credential": "federated", "federated_identities": [PAIR | {"subject": LONG}]}, "federated_identities[0].subject"),
        ({"credential": "federated", "federated_identities": [PAIR | {"subject": " x"}]}, "federated_identities[0].subject"),
        (
            {"credential": "federated", "federated_identities": [PAIR | {"issuer": "https://issuer.example "}]},
            "federated_identities[0].issuer",
        ),
        (
            {
                "credential": "federated",
                "federated_identities": [PAIR | {"issuer": "https://TOKEN.actions.githubusercontent.com"}],
            },
            "federated_identities[0].issuer",
        ),
        (
            {"credential": "federated", "federated_identities": [PAIR | {"issuer": f"{GITHUB}/"}]},
            "federated_identities[0].issuer",
        ),
        ({"credential": "federated", "federated_identities": [PAIR | {"audience": "x"}]}, "federated_identities[0].audience"),
    ],
)
def test_faults_stand_at_their_fields(fields: dict[str, Any], path: str) -> None:
    """One for each mistake."""
    assert [path] == [*faults(**fields)]


def test_an_identity_is_an_object() -> None:
    """A text could be either of the two."""
    assert "expected an object" == faults(credential="federated", federated_identities=["x"])["federated_identities[0]"]


@pytest.mark.parametrize(
    ("subject", "warned"),
    [
        ("repo:octocat@123456/my-repo@456789:ref:refs/heads/main", False),
        ("repo:octocat@123456/my-repo@456789", False),
        ("repo:octocat/my-repo:ref:refs/heads/main", True),
        ("repo:octocat@123456/my-repo:ref:refs/heads/main", True),
        ("repo:octocat@x/my-repo@456789:environment:prod", True),
        ("repo:octocat@1/my-repo@2.git:environment:prod", True),
    ],
)
def test_a_subject_of_names_alone_is_warned_of(subject: str, *, warned: bool) -> None:
    """GitHub gives a name to another when its owner gives it up, and an id never."""
    identities = [PAIR, {"issuer": GITHUB, "subject": subject}]
    target = principal_target(credential=read(credential="federated", federated_identities=identities))
    found = [(each.path, each.code) for each in SCHEMA.warnings(target, Protected())]
    assert ([("federated_identities[1].subject", "name_only_subject")] if warned else []) == found


@pytest.mark.parametrize("issuer", [f"{GITHUB}/", GITHUB.replace("token", "TOKEN"), f" {GITHUB}"])
def test_a_stored_issuer_that_is_githubs_but_for_its_spelling_is_warned_of(issuer: str) -> None:
    """An earlier version has taken it, and whoever compares may be laxer than by the letter."""
    choice = CredentialChoice("federated", federated_identities=(FederatedIdentity(issuer, "repo:o/r:ref:refs/heads/main"),))
    found = [each.code for each in SCHEMA.warnings(principal_target(credential=choice), Protected())]
    assert ["name_only_subject"] == found


@pytest.mark.parametrize(
    "damage",
    [
        {"credential": "passkey"},
        {"credential": None},
        {"credential": "token"},
        {"credential": "token", "token_scopes": [7]},
        {"credential": "federated", "federated_identities": [{"issuer": "https://i"}]},
        {"credential": "federated", "federated_identities": ["x"]},
    ],
)
def test_a_stored_choice_that_cannot_be_read_mints_nothing(damage: dict[str, Any]) -> None:
    """A default would hand out something else than the role's author wanted."""
    assert SCHEMA.restore(DOCUMENT | damage) is None


def test_another_kind_of_credential_grants_something_else() -> None:
    """A secret's digest is as it was before there were others. Which tokens and workloads a role allows does not count."""
    choices = [SECRET, TOKENS, FEDERATED, CERTIFICATES]
    assert 4 == len({digest_of(principal_target(credential=each)) for each in choices})
    assert "credential" not in SCHEMA.granted(principal_target())
    assert digest_of(principal_target(credential=TOKENS)) == digest_of(
        principal_target(credential=replace(TOKENS, token_scopes=(ARM,)))
    )


@pytest.mark.parametrize(
    "held",
    [
        Held(),
        Held("token", given=True),
        Held("federated", trusted=WORKLOAD),
        Held("federated", trusted=FederatedIdentity("https://login.example", guid(4)), given=True),
        Held("certificate", key_id=guid(7), thumbprint="ab" * 32),
    ],
)
def test_a_footprint_keeps_what_it_holds(held: Held) -> None:
    """Of a secret it says what it said before."""
    footprint = ServicePrincipalFootprint("leasehold-x", held=held)
    written = SCHEMA.write_footprint(footprint)
    assert footprint == SCHEMA.read_footprint(written)
    assert (held.name == "secret") is ("credential" not in written)


def test_a_tag_of_the_brokers_own_is_refused() -> None:
    """Graph takes no value twice."""
    assert ["tags[0]"] == [*faults(tags=["Leasehold-No-Secret"])]
