// The broker's right to assign roles: its condition, and where it holds.

import { ResourceGroupReference } from 'types.bicep'

@description('Object id of the broker\'s identity.')
param principalId string

@description('GUIDs of the role definitions that it may assign.')
param assignableRoles string[]

@description('Resource groups in which it may.')
param resourceGroups ResourceGroupReference[]

@description('Subscriptions (GUIDs) in which it may.')
param subscriptions string[]

@description('Whether it may assign them to users as well, for roles of type role_grant.')
param grantToUsers bool

@description('The right to give rights, and nothing else: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles')
var roleBasedAccessControlAdministrator = 'f58310d9-a9f6-439a-9e8d-f62e7b41a168'

@description('Roles that can give roles. They stay out even if somebody lists one in assignableRoles.')
var neverAssigned = [
  '8e3af657-a8ff-443c-a75c-2fe8c4bcb635' // Owner
  '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9' // User Access Administrator
  'f58310d9-a9f6-439a-9e8d-f62e7b41a168' // Role Based Access Control Administrator
  '8b54135c-b56d-4d72-a534-26097cfdc8d8' // Key Vault Data Access Administrator
]

@description('To whom it may assign them: service principals, and users if that was said.')
var principalTypes = grantToUsers ? '\'ServicePrincipal\', \'User\'' : '\'ServicePrincipal\''

// Creating looks at the request, deleting at what is there:
// https://learn.microsoft.com/azure/role-based-access-control/conditions-authorization-actions-attributes
// An attribute that a request lacks makes its comparison false, so an assignment without principalType is refused. That is
// meant: the broker always sends it. The broker's own identity is left out, so that it can neither add to its rights nor lose them.
@description('What the right is bound to.')
var assignmentCondition = join(
  [
    '((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/write\'})) OR ('
    '@Request[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {${principalTypes}}'
    'AND @Request[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAllValues:GuidNotEquals {${principalId}}'
    'AND @Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${join(assignableRoles, ', ')}}'
    'AND @Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {${join(neverAssigned, ', ')}}'
    '))'
    'AND ((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/delete\'})) OR ('
    '@Resource[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {${principalTypes}}'
    'AND @Resource[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAllValues:GuidNotEquals {${principalId}}'
    'AND @Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${join(assignableRoles, ', ')}}'
    'AND @Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {${join(neverAssigned, ', ')}}'
    '))'
  ],
  ' '
)

module inResourceGroups 'grant-resource-group.bicep' = [
  for group in resourceGroups: {
    scope: resourceGroup(group.subscriptionId, group.name)
    params: {
      principalId: principalId
      roleDefinitionId: roleBasedAccessControlAdministrator
      condition: assignmentCondition
    }
  }
]

module inSubscriptions 'grant-subscription.bicep' = [
  for subscriptionId in subscriptions: {
    scope: subscription(subscriptionId)
    params: {
      principalId: principalId
      roleDefinitionId: roleBasedAccessControlAdministrator
      condition: assignmentCondition
    }
  }
]

@description('For scopes that no file here reaches.')
output condition string = assignmentCondition
