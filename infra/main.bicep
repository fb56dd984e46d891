// Leasehold in one resource group: its identity, storage, telemetry and function app, and the identity's right to assign roles.
//
// No key, connection string with a key, or other secret is a parameter, a setting or an output: everything signs in with the
// identity. What Entra ID needs (the API application, Graph permissions) is made by entra.sh; docs/deploy.md has the order.

targetScope = 'resourceGroup'

type ResourceGroupReference = {
  @description('GUID of the subscription.')
  subscriptionId: string
  @description('Name of the resource group.')
  name: string
}

@description('Begins the name of every resource.')
@minLength(3)
@maxLength(11)
param name string = 'leasehold'

param location string = resourceGroup().location

@description('Client id of the API application that callers ask tokens for: `entra.sh application` prints it.')
@minLength(36)
@maxLength(36)
param audience string

@description('Object id of the same application, and of its service principal: no role may target them.')
param protectedIdentities string[] = []

@description('Tenants whose callers are let in. This one, unless more are named.')
param allowedTenants string[] = [tenant().tenantId]

@description('GUIDs of the role definitions that the broker may assign, built in or custom. Name only what leases need.')
@minLength(1)
@maxLength(60)
param assignableRoles string[]

@description('Resource groups in which the broker may assign those roles. Not its own.')
param grantResourceGroups ResourceGroupReference[] = []

@description('Subscriptions (GUIDs) in which it may: with everything in them, so prefer resource groups, and not the broker\'s own subscription.')
param grantSubscriptions string[] = []

@description('Most instances at once: also the most that a flood of callers can cost.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances kept warm for HTTP. 0 scales to nothing, and the first caller waits for a start.')
@minValue(0)
@maxValue(100)
param alwaysReadyInstances int = 0

@description('Memory of an instance, in MB.')
@allowed([512, 2048, 4096])
param instanceMemoryMB int = 2048

@description('Requests that one instance takes on at once before another is started.')
@minValue(1)
@maxValue(1000)
param httpConcurrency int = 16

@description('Zone-redundant where the region offers it: the leases table is all that knows what must be taken back.')
@allowed(['Standard_LRS', 'Standard_ZRS', 'Standard_GRS', 'Standard_GZRS'])
param storageSku string = 'Standard_ZRS'

@description('A CanNotDelete lock on the storage account. Making one takes Owner or User Access Administrator.')
param lockStorage bool = true

@description('Resource id of a Log Analytics workspace, best one that operators of the broker cannot write to, that is to receive every write and deletion in storage. None: no such log.')
param storageLogWorkspaceId string = ''

@description('NCRONTAB of the sweep, six fields.')
param sweepSchedule string = '0 * * * * *'

@description('NCRONTAB of the reconciliation with Azure, six fields.')
param reconcileSchedule string = '0 17 * * * *'

@description('Days for which the record of an ended lease is kept. Empty: the broker\'s default. The same for the two below.')
param retentionDays string = ''

@description('Seconds for which a worker holds a lease before the sweep may take over.')
param holdSeconds string = ''

@description('Seconds after which the absence of something just made is believed.')
param settleSeconds string = ''

@description('Address of a page that explains problems, for a copy of your own. Empty: the broker serves its own.')
param docsUrl string = ''

@description('Origin of Microsoft Graph in a cloud that is not listed below.')
param graphEndpoint string = ''

@description('Put on every resource.')
param tags object = {}

var suffix = uniqueString(resourceGroup().id)
var graphOrigins = {
  AzureCloud: 'https://graph.microsoft.com'
  AzureUSGovernment: 'https://graph.microsoft.us'
  AzureChinaCloud: 'https://microsoftgraph.chinacloudapi.cn'
}

// The right to give rights, and nothing else: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
var roleBasedAccessControlAdministrator = 'f58310d9-a9f6-439a-9e8d-f62e7b41a168'

// Roles that can give roles. They stay out even if somebody lists one in assignableRoles.
var neverAssigned = [
  '8e3af657-a8ff-443c-a75c-2fe8c4bcb635' // Owner
  '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9' // User Access Administrator
  'f58310d9-a9f6-439a-9e8d-f62e7b41a168' // Role Based Access Control Administrator
]

// Creating looks at the request, deleting at what is there:
// https://learn.microsoft.com/azure/role-based-access-control/conditions-authorization-actions-attributes
// An attribute that a request lacks makes its comparison false, so an assignment without principalType is refused. That is
// meant: the broker always sends it. The broker's own identity is left out, so that it can neither add to its rights nor lose them.
var assignmentCondition = join(
  [
    '((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/write\'})) OR ('
    '@Request[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {\'ServicePrincipal\'}'
    'AND @Request[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAllValues:GuidNotEquals {${identity.properties.principalId}}'
    'AND @Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${join(assignableRoles, ', ')}}'
    'AND @Request[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {${join(neverAssigned, ', ')}}'
    '))'
    'AND ((!(ActionMatches{\'Microsoft.Authorization/roleAssignments/delete\'})) OR ('
    '@Resource[Microsoft.Authorization/roleAssignments:PrincipalType] ForAnyOfAnyValues:StringEqualsIgnoreCase {\'ServicePrincipal\'}'
    'AND @Resource[Microsoft.Authorization/roleAssignments:PrincipalId] ForAnyOfAllValues:GuidNotEquals {${identity.properties.principalId}}'
    'AND @Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAnyValues:GuidEquals {${join(assignableRoles, ', ')}}'
    'AND @Resource[Microsoft.Authorization/roleAssignments:RoleDefinitionId] ForAnyOfAllValues:GuidNotEquals {${join(neverAssigned, ', ')}}'
    '))'
  ],
  ' '
)

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: '${name}-broker'
  location: location
  tags: tags
}

module storage 'modules/storage.bicep' = {
  name: '${name}-storage'
  params: {
    accountName: take('${toLower(replace(name, '-', ''))}${suffix}', 24)
    location: location
    tags: tags
    sku: storageSku
    principalId: identity.properties.principalId
    lock: lockStorage
    logWorkspaceId: storageLogWorkspaceId
  }
}

module monitoring 'modules/monitoring.bicep' = {
  name: '${name}-monitoring'
  params: {
    name: name
    location: location
    tags: tags
    principalId: identity.properties.principalId
  }
}

module app 'modules/app.bicep' = {
  name: '${name}-app'
  params: {
    name: name
    siteName: '${name}-${suffix}'
    location: location
    tags: tags
    identityName: identity.name
    storageAccountName: storage.outputs.accountName
    packageContainerUrl: storage.outputs.packageContainerUrl
    applicationInsightsName: monitoring.outputs.applicationInsightsName
    audience: audience
    allowedTenants: allowedTenants
    protectedIdentities: protectedIdentities
    protectedScopes: [resourceGroup().id]
    graphEndpoint: empty(graphEndpoint) ? (graphOrigins[?environment().name] ?? '') : graphEndpoint
    sweepSchedule: sweepSchedule
    reconcileSchedule: reconcileSchedule
    retentionDays: retentionDays
    holdSeconds: holdSeconds
    settleSeconds: settleSeconds
    docsUrl: docsUrl
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    instanceMemoryMB: instanceMemoryMB
    httpConcurrency: httpConcurrency
  }
}

module grantsInResourceGroups 'modules/grant-resource-group.bicep' = [
  for (group, index) in grantResourceGroups: {
    name: '${name}-grant-group-${index}'
    scope: resourceGroup(group.subscriptionId, group.name)
    params: {
      principalId: identity.properties.principalId
      roleDefinitionId: roleBasedAccessControlAdministrator
      condition: assignmentCondition
    }
  }
]

module grantsInSubscriptions 'modules/grant-subscription.bicep' = [
  for (subscriptionId, index) in grantSubscriptions: {
    name: '${name}-grant-subscription-${index}'
    scope: subscription(subscriptionId)
    params: {
      principalId: identity.properties.principalId
      roleDefinitionId: roleBasedAccessControlAdministrator
      condition: assignmentCondition
    }
  }
]

output functionAppName string = app.outputs.siteName
output url string = 'https://${app.outputs.hostName}'
output storageAccountName string = storage.outputs.accountName

@description('Object id of the broker\'s identity: `entra.sh permissions` takes it.')
output brokerPrincipalId string = identity.properties.principalId
output brokerClientId string = identity.properties.clientId

@description('For scopes that this file does not reach, such as management groups: docs/deploy.md.')
output assignmentCondition string = assignmentCondition
