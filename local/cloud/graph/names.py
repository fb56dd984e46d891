"""Names of properties in queries and bodies: those that are here, those that only Azure has (501), others (400)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from local.cloud.graph import errors, types

_POLICIES = ("claimsMappingPolicies", "homeRealmDiscoveryPolicies", "tokenIssuancePolicies", "tokenLifetimePolicies")
_MEMBERSHIPS = (
    "memberOf",
    "transitiveMemberOf",
    "ownedObjects",
    "createdObjects",
    "oauth2PermissionGrants",
    "appRoleAssignments",
)

ELSEWHERE: Mapping[str, frozenset[str]] = {
    "application": frozenset(
        {
            *("appManagementPolicies", "authenticationBehaviors", "connectorGroup", "createdByAppId", "createdOnBehalfOf"),
            *(
                "extensionProperties",
                "federatedIdentityCredentials",
                "logo",
                "onPremisesPublishing",
                "owners",
                "synchronization",
            ),
            *("windows", "servicePrincipalLockConfiguration", *_POLICIES),
        }
    ),
    "servicePrincipal": frozenset(
        {
            *(
                "appManagementPolicies",
                "appRoleAssignedTo",
                "createdByAppId",
                "customSecurityAttributes",
                "endpoints",
                "owners",
            ),
            *("delegatedPermissionClassifications", "federatedIdentityCredentials", "remoteDesktopSecurityConfiguration"),
            *(
                "licenseDetails",
                "passwordSingleSignOnSettings",
                "publisherName",
                "publishedPermissionScopes",
                "synchronization",
            ),
            *("claimsPolicy", *_POLICIES, *_MEMBERSHIPS),
        }
    ),
    "group": frozenset(
        {
            *("acceptedSenders", "allowExternalSenders", "assignedLabels", "assignedLicenses", "autoSubscribeNewMembers"),
            *("calendar", "conversations", "createdOnBehalfOf", "drive", "events", "extensions", "hasMembersWithLicenseErrors"),
            *("hideFromAddressLists", "hideFromOutlookClients", "isArchived", "isManagementRestricted", "isSubscribedByMail"),
            *(
                "licenseProcessingState",
                "members",
                "membersWithLicenseErrors",
                "owners",
                "permissionGrants",
                "photo",
                "settings",
            ),
            *("sites", "team", "threads", "transitiveMembers", "uniqueName", "unseenCount", "writebackConfiguration"),
            *_MEMBERSHIPS,
        }
    ),
    "user": frozenset(
        {
            *("aboutMe", "ageGroup", "assignedLicenses", "assignedPlans", "authorizationInfo", "birthday", "calendar", "city"),
            *("companyName", "consentProvidedForMinor", "country", "creationType", "customSecurityAttributes", "directReports"),
            *(
                "employeeHireDate",
                "employeeId",
                "employeeLeaveDateTime",
                "employeeOrgData",
                "employeeType",
                "externalUserState",
            ),
            *(
                "externalUserStateChangeDateTime",
                "faxNumber",
                "hireDate",
                "identities",
                "imAddresses",
                "infoCatalogs",
                "interests",
            ),
            *("isManagementRestricted", "isResourceAccount", "lastPasswordChangeDateTime", "legalAgeGroupClassification"),
            *("licenseAssignmentStates", "mailboxSettings", "manager", "messages", "mySite", "onPremisesDistinguishedName"),
            *("onPremisesDomainName", "onPremisesExtensionAttributes", "onPremisesImmutableId", "onPremisesLastSyncDateTime"),
            *("onPremisesProvisioningErrors", "onPremisesSamAccountName", "onPremisesSecurityIdentifier"),
            *("onPremisesSyncEnabled", "onPremisesUserPrincipalName", "otherMails", "ownedDevices", "passwordPolicies"),
            *("passwordProfile", "pastProjects", "photo", "postalCode", "preferredDataLocation", "preferredName"),
            *("provisionedPlans", "proxyAddresses", "registeredDevices", "responsibilities", "schools", "securityIdentifier"),
            *("serviceProvisioningErrors", "showInAddressList", "signInActivity", "signInSessionsValidFromDateTime", "skills"),
            *("sponsors", "state", "streetAddress", *_MEMBERSHIPS),
        }
    ),
    "appRoleAssignment": frozenset(
        {
            *("id", "createdDateTime", "deletedDateTime", "principalDisplayName", "principalType", "resourceDisplayName"),
        }
    ),
    "restore": frozenset({"autoReconcileProxyConflict", "newUserPrincipalName"}),
    "federatedIdentityCredential": frozenset({"claimsMatchingExpression", "trustedIssuer"}),
}
"""What Azure's types have beside what is here, navigation included: the reference of v1.0,
https://learn.microsoft.com/graph/api/overview."""


def check(kind: str, known: Mapping[str, Any], path: str, clause: str) -> None:
    """Raises Azure's 400, or 501, unless this path is one of the type's own; ``clause`` begins the text."""
    head, _, rest = path.partition("/")
    if head.endswith("[]"):
        head = head.removesuffix("[]")
        known = {**known, head: types.ELEMENTS.get(head, {})} if head in known else known
    if head not in known:
        if head in ELSEWHERE.get(kind, ()):
            raise errors.not_implemented(f"the property {head} of {kind} here")
        raise _unknown(kind, head, clause)
    inner = known[head]
    if rest == "$count":
        raise errors.not_implemented(f"$count of {head} here")
    if rest and isinstance(inner, Mapping):
        check(f"{kind}.{head}", inner, rest, clause)
    elif rest and inner is not None:
        raise _unknown(kind, path, clause)


def check_body(kind: str, known: Collection[str], name: str) -> None:
    """Raises 501 for a property of a body that only Azure has, and its 400 for one that nobody has."""
    if name in known:
        return
    if name in ELSEWHERE.get(kind, ()):
        raise errors.not_implemented(f"the property {name} of {kind}")
    message = f"Property '{name}' does not exist as a declared property or extension property."
    raise errors.invalid(message, "InvalidProperty", name)


def only(kind: str, known: Collection[str], body: Mapping[str, Any]) -> None:
    """The same for every property of a body, annotations left out."""
    for name in body:
        if "@" in name:
            check_annotation(kind, known, name)
        else:
            check_body(kind, known, name)


def check_annotation(kind: str, known: Collection[str], name: str, bindable: Collection[str] = ()) -> None:
    """The same for an annotation: ``owners@odata.bind`` names the objects of a relation, others tell of a property."""
    of, _, term = name.partition("@")
    if of and of not in bindable:
        check_body(kind, known, of)
        if term == "odata.bind":
            message = f"The annotation 'odata.bind' was found for property '{of}', which is no relation."
            raise errors.bad_request(message, "BadRequest")


def _unknown(kind: str, name: str, clause: str) -> Exception:
    message = f"{clause}Could not find a property named '{name}' on type 'microsoft.graph.{kind}'."
    return errors.bad_request(message, "BadRequest")
