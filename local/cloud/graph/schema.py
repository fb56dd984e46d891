"""The properties that Graph returns today for each type, in its order, with what they are while nobody has set them.

As in the newest recorded exchanges. ``None`` in a place that is always computed is only a place holder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.cloud.graph import types

if TYPE_CHECKING:
    from collections.abc import Mapping

_INFO = {"logoUrl": None, "marketingUrl": None, "privacyStatementUrl": None, "supportUrl": None, "termsOfServiceUrl": None}
_PUBLISHER = {"displayName": None, "verifiedPublisherId": None, "addedDateTime": None}

APPLICATION: Mapping[str, Any] = {
    "id": None,
    "deletedDateTime": None,
    "appId": None,
    "applicationTemplateId": None,
    "disabledByMicrosoftStatus": None,
    "createdDateTime": None,
    "displayName": None,
    "description": None,
    "groupMembershipClaims": None,
    "identifierUris": [],
    "isDeviceOnlyAuthSupported": None,
    "isFallbackPublicClient": None,
    "nativeAuthenticationApisEnabled": None,
    "notes": None,
    "publisherDomain": None,
    "serviceManagementReference": None,
    "signInAudience": "AzureADMyOrg",
    "tags": [],
    "tokenEncryptionKeyId": None,
    "uniqueName": None,
    "samlMetadataUrl": None,
    "defaultRedirectUri": None,
    "certification": None,
    "optionalClaims": None,
    "servicePrincipalLockConfiguration": None,
    "requestSignatureVerification": None,
    "addIns": [],
    "api": {
        "acceptMappedClaims": None,
        "knownClientApplications": [],
        "requestedAccessTokenVersion": None,
        "oauth2PermissionScopes": [],
        "preAuthorizedApplications": [],
    },
    "appRoles": [],
    "info": _INFO,
    "keyCredentials": [],
    "parentalControlSettings": {"countriesBlockedForMinors": [], "legalAgeGroupRule": "Allow"},
    "passwordCredentials": [],
    "publicClient": {"redirectUris": []},
    "requiredResourceAccess": [],
    "verifiedPublisher": _PUBLISHER,
    "web": {
        "homePageUrl": None,
        "logoutUrl": None,
        "redirectUris": [],
        "implicitGrantSettings": {"enableAccessTokenIssuance": False, "enableIdTokenIssuance": False},
        "redirectUriSettings": [],
    },
    "spa": {"redirectUris": []},
}

APPLICATION_FIXED = frozenset(
    {
        "id",
        "deletedDateTime",
        "appId",
        "applicationTemplateId",
        "disabledByMicrosoftStatus",
        "createdDateTime",
        "publisherDomain",
        "certification",
        "verifiedPublisher",
    }
)
"""What an application has without being asked."""

SERVICE_PRINCIPAL: Mapping[str, Any] = {
    "id": None,
    "deletedDateTime": None,
    "accountEnabled": True,
    "alternativeNames": [],
    "appDisplayName": None,
    "appDescription": None,
    "appId": None,
    "applicationTemplateId": None,
    "appOwnerOrganizationId": None,
    "appRoleAssignmentRequired": False,
    "createdDateTime": None,
    "description": None,
    "disabledByMicrosoftStatus": None,
    "displayName": None,
    "homepage": None,
    "isManagementRestricted": None,
    "loginUrl": None,
    "logoutUrl": None,
    "notes": None,
    "notificationEmailAddresses": [],
    "preferredSingleSignOnMode": None,
    "preferredTokenSigningKeyThumbprint": None,
    "replyUrls": [],
    "servicePrincipalNames": [],
    "servicePrincipalType": "Application",
    "signInAudience": None,
    "tags": [],
    "tokenEncryptionKeyId": None,
    "samlSingleSignOnSettings": None,
    "addIns": [],
    "appRoles": [],
    "info": _INFO,
    "keyCredentials": [],
    "oauth2PermissionScopes": [],
    "passwordCredentials": [],
    "resourceSpecificApplicationPermissions": [],
    "verifiedPublisher": _PUBLISHER,
}

SERVICE_PRINCIPAL_FIXED = frozenset(
    {
        "id",
        "deletedDateTime",
        "appDisplayName",
        "appDescription",
        "appId",
        "applicationTemplateId",
        "appOwnerOrganizationId",
        "createdDateTime",
        "disabledByMicrosoftStatus",
        "isManagementRestricted",
        "servicePrincipalType",
        "signInAudience",
        "resourceSpecificApplicationPermissions",
        "verifiedPublisher",
        "appRoles",
        "oauth2PermissionScopes",
        "info",
    }
)
"""What a service principal has from its application, or without being asked."""

GROUP: Mapping[str, Any] = {
    "id": None,
    "deletedDateTime": None,
    "classification": None,
    "createdDateTime": None,
    "creationOptions": [],
    "description": None,
    "displayName": None,
    "expirationDateTime": None,
    "groupTypes": [],
    "isAssignableToRole": None,
    "mail": None,
    "mailEnabled": False,
    "mailNickname": None,
    "membershipRule": None,
    "membershipRuleProcessingState": None,
    "onPremisesDomainName": None,
    "onPremisesLastSyncDateTime": None,
    "onPremisesNetBiosName": None,
    "onPremisesSamAccountName": None,
    "onPremisesSecurityIdentifier": None,
    "onPremisesSyncEnabled": None,
    "preferredDataLocation": None,
    "preferredLanguage": None,
    "proxyAddresses": [],
    "renewedDateTime": None,
    "resourceBehaviorOptions": [],
    "resourceProvisioningOptions": [],
    "securityEnabled": True,
    "securityIdentifier": None,
    "theme": None,
    "visibility": None,
    "onPremisesProvisioningErrors": [],
    "serviceProvisioningErrors": [],
}

GROUP_FIXED = frozenset(
    {
        "id",
        "deletedDateTime",
        "createdDateTime",
        "expirationDateTime",
        "mail",
        "onPremisesDomainName",
        "onPremisesLastSyncDateTime",
        "onPremisesNetBiosName",
        "onPremisesProvisioningErrors",
        "onPremisesSamAccountName",
        "onPremisesSecurityIdentifier",
        "onPremisesSyncEnabled",
        "proxyAddresses",
        "renewedDateTime",
        "securityIdentifier",
        "serviceProvisioningErrors",
    }
)
"""What a group has without being asked."""

USER: Mapping[str, Any] = {
    "id": None,
    "businessPhones": [],
    "displayName": None,
    "givenName": None,
    "jobTitle": None,
    "mail": None,
    "mobilePhone": None,
    "officeLocation": None,
    "preferredLanguage": None,
    "surname": None,
    "userPrincipalName": None,
    "accountEnabled": True,
    "createdDateTime": None,
    "deletedDateTime": None,
    "department": None,
    "mailNickname": None,
    "usageLocation": None,
    "userType": "Member",
}

USER_DEFAULT = frozenset(list(USER)[:11])
"""What a user shows unless asked for more."""

USER_FIXED = frozenset({"id", "createdDateTime", "deletedDateTime"})

FEDERATED: Mapping[str, Any] = {
    **dict.fromkeys(("id", "name", "issuer", "subject", "description")),
    "audiences": [],
}

APP_ROLE_ASSIGNMENT: Mapping[str, Any] = {
    **dict.fromkeys(
        ("id", "deletedDateTime", "createdDateTime", "principalDisplayName", "principalType", "resourceDisplayName")
    ),
    **dict.fromkeys(("appRoleId", "principalId", "resourceId"), types.Of(types.GUID)),
}
"""https://learn.microsoft.com/graph/api/resources/approleassignment."""
