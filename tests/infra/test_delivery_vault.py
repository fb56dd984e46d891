"""The template's vault for deliveries, and what the broker may do there. docs/delivery.md says who may read."""

from __future__ import annotations

from local.snapshots import GROUP_ID, PRINCIPAL, read

VAULT = "Microsoft.KeyVault/vaults"
DEFINITION = "Microsoft.Authorization/roleDefinitions"


def test_a_vault_for_deliveries_is_made_only_when_asked_for() -> None:
    """And no role either: the output is empty."""
    plain, full = read("plain"), read("full")

    assert [0, 0, 1, 1] == [len(made.of_type(kind)) for made in (plain, full) for kind in (VAULT, DEFINITION)]
    assert "" == plain.outputs["deliveryVaultUri"]
    assert "'https://{0}{1}', 'lease-test-vault'" in full.outputs["deliveryVaultUri"]


def test_the_courier_may_deliver_and_may_not_read() -> None:
    """It is all that the broker may do at the vault, and it can be assigned in the broker's own group alone."""
    made = read("delivery")
    courier, assigned = made.only(DEFINITION), made.only("Microsoft.Authorization/roleAssignments")
    (allowed,) = courier.properties["permissions"]
    secrets = "Microsoft.KeyVault/vaults/secrets"
    expected = {"setSecret/action", "delete", "purge/action", "update/action", "readMetadata/action"}

    assert {f"{secrets}/{each}" for each in expected} == {*allowed["dataActions"]}
    assert [] == allowed["actions"]
    assert [GROUP_ID] == courier.properties["assignableScopes"]
    assert (made.only(VAULT).id, courier.id, PRINCIPAL) == (
        assigned.scope,
        assigned.properties["roleDefinitionId"],
        assigned.properties["principalId"],
    )


def test_two_brokers_of_a_tenant_have_couriers_of_two_names() -> None:
    """Azure refuses a second custom role of a name, anywhere in the tenant."""
    names = [each.only(DEFINITION).properties["roleName"] for each in (read("delivery"), read("full"))]

    assert ["Leasehold Courier (app)", "Leasehold Courier (lease-test-vault)"] == names


def test_the_vault_for_deliveries_goes_by_role_assignments_and_purges_unless_told_otherwise() -> None:
    """Azure refuses ``enablePurgeProtection: false``: the property is left out."""
    given = [each.only(VAULT).properties for each in (read("delivery"), read("full"))]

    assert [(True, True), (True, True)] == [(each["enableRbacAuthorization"], each["enableSoftDelete"]) for each in given]
    assert [None, True] == [each.get("enablePurgeProtection") for each in given]
    assert [7, 30] == [each["softDeleteRetentionInDays"] for each in given]
    assert [("Enabled", "Allow"), ("Disabled", "Deny")] == [
        (each["publicNetworkAccess"], each["networkAcls"]["defaultAction"]) for each in given
    ]
