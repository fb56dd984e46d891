// Leasehold in one resource group: its identity, storage, telemetry and function app, and the identity's right to assign roles.
//
// No key, connection string with a key, or other secret is a parameter, a setting or an output: everything signs in with the
// identity. What Entra ID needs (the API application, Graph permissions) is made by entra.sh; docs/deploy.md has the order.

targetScope = 'resourceGroup'

import { DeliveryVault, EventSource, ResourceGroupReference, Tags } from 'modules/types.bicep'

@description('Begins the name of every resource.')
@minLength(3)
@maxLength(11)
param name string = 'leasehold'

@description('Region of every resource.')
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

@description('Resource groups in which the broker may assign those roles. Its own is refused.')
param grantResourceGroups ResourceGroupReference[] = []

@description('Subscriptions (GUIDs) in which it may: with everything in them, so prefer resource groups, and not the broker\'s own subscription.')
param grantSubscriptions string[] = []

@description('Whether users may hold leases of roles of type role_grant. Then the broker may assign those roles to users, and take them from users.')
param grantToUsers bool = false

@description('A grant on the broker\'s own subscription reaches the broker itself. Such a grant is refused unless this says so in words.')
@allowed(['', 'The broker may assign roles in its own subscription'])
param ownSubscription string = ''

@description('Most instances at once of each group of functions (HTTP, each timer, each queue): so also what a flood of callers can cost.')
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

@description('NCRONTAB of the filling of pools, six fields. Deploy it after the code that knows it.')
param fillSchedule string = '30 * * * * *'

@description('Role assignments that may stand in all pools together. Empty: 400. Set it after the code that knows it.')
param poolAssignments string = ''

@description('Resource ids of action groups that are told when a pool is low, or was touched by somebody else, and when an event was given up. Without one, such alerts show in the portal alone.')
param alertActionGroups string[] = []

@description('Days for which the record of an ended lease is kept. Empty: the broker\'s default. The same for the three below.')
param retentionDays string = ''

@description('Seconds for which a worker holds a lease before the sweep may take over.')
param holdSeconds string = ''

@description('Seconds after which the absence of something just made is believed.')
param settleSeconds string = ''

@description('Seconds for which a lease waits to be collected that was made while nobody waited. Empty: 900. Set it after the code that knows it.')
param collectSeconds string = ''

@description('Seconds for which a credential may be collected once more. Empty: 600. Set it after the code that knows it.')
param graceSeconds string = ''

@description('Seconds within which a lease is made for which nobody waits. Empty: 900. Set it after the code that knows it.')
param prepareSeconds string = ''

@description('Whether events may be published over HTTP: off unless this is true. Set it after the code that knows it.')
param eventWebhook bool = false

@description('Application id as which Event Grid calls. Empty: that of the cloud.')
param eventGridAppId string = ''

@description('Hosts, separated by commas, that may ask for consent to publish besides eventgrid.azure.net. Empty: none.')
param eventOrigins string = ''

@description('Seconds for which the broker remembers what the directory says of a caller. A right that is taken away lives on for so long.')
param directoryCacheSeconds string = ''

@description('Live leases that one caller may hold over all roles. Empty: any number. Set it, and the two below, after the code that knows them.')
param maxLeasesPerCaller string = ''

@description('Leases that one caller may ask for in a minute, and refusals that it may get. Empty: 120. 0: any number.')
param issuesPerMinute string = ''

@description('Longest lifetime of a lease that a role may name, in seconds or such as 8h. Empty: 30 days.')
param maxTtl string = ''

@description('Resources beside Azure\'s own for which roles may hand out access tokens, separated by commas. Set it after the code that knows it.')
param tokenResources string = ''

@description('Application permissions of Microsoft Graph that roles may have, separated by commas, such as User.Read.All. Empty: none. Set it after the code that knows it.')
param graphAppRoles string = ''

@description('Address of a page that explains problems, for a copy of your own. Empty: the broker serves its own.')
param docsUrl string = ''

@description('Address under which callers reach the broker when a gateway stands before it, with its path if it has one. Empty: the function app\'s own. Set it after the code that knows it.')
param publicUrl string = ''

@description('What the hosts of storage accounts end with, outside the public cloud: az cloud show --query suffixes.storageEndpoint. Set it after the code that knows it.')
param storageSuffix string = ''

@description('What the hosts of vaults end with, outside the public cloud: az cloud show --query suffixes.keyvaultDns. Set it after the code that knows it.')
param vaultSuffix string = ''

@description('Whether the broker publishes events of what it does, to a topic of its own. Set it after the code that knows it.')
param publishEvents bool = false

@description('Resource groups and subscriptions of whose resources Event Grid tells the broker, for event rules: each once. None: no event comes by the queue.')
param eventSources EventSource[] = []

@description('Whether what Event Grid could not put on the queue is kept for seven days, in a container of the storage account.')
param eventDeadLetters bool = false

@description('Origin of Microsoft Graph in a cloud that is not listed below.')
param graphEndpoint string = ''

@description('A vault for deliveries, and the right to deliver to it. None: this file makes no vault. docs/delivery.md explains it.')
param deliveryVault DeliveryVault?

@description('Put on every resource.')
param tags Tags = {}

@description('Ends the names that are unique in all of Azure.')
var suffix = uniqueString(resourceGroup().id)

@description('Origins of Microsoft Graph, by cloud.')
var graphOrigins = {
  AzureCloud: 'https://graph.microsoft.com'
  AzureUSGovernment: 'https://graph.microsoft.us'
  AzureChinaCloud: 'https://microsoftgraph.chinacloudapi.cn'
}

@description('What a sample says where a GUID of your own belongs.')
var placeholder = '00000000-0000-0000-0000-000000000000'

@description('Every GUID that somebody has to fill in.')
var givenGuids = concat(
  [audience],
  allowedTenants,
  protectedIdentities,
  assignableRoles,
  map(grantResourceGroups, group => group.subscriptionId),
  grantSubscriptions,
  map(eventSources, each => each.subscriptionId)
)

@description('Every resource group with a grant, to be compared.')
var grantedGroups = map(grantResourceGroups, group => toLower('${group.subscriptionId}/${group.name}'))

@description('Whether one of them is the broker\'s own.')
var grantsItsGroup = contains(grantedGroups, toLower('${subscription().subscriptionId}/${resourceGroup().name}'))

@description('Whether one of the subscriptions holds the broker itself.')
var reachesItself = contains(map(grantSubscriptions, id => toLower(id)), toLower(subscription().subscriptionId))

@description('Every source of events, to be compared.')
var eventSourceKeys = map(
  eventSources,
  each =>
    toLower((each.?wholeSubscription ?? false) ? each.subscriptionId : '${each.subscriptionId}/${each.resourceGroup}')
)

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: '${name}-broker'
  location: location
  tags: tags
}

module storage 'modules/storage.bicep' = {
  params: {
    accountName: take('${toLower(replace(name, '-', ''))}${suffix}', 24)
    location: location
    tags: tags
    sku: storageSku
    principalId: identity.properties.principalId
    lock: lockStorage
    logWorkspaceId: storageLogWorkspaceId
    eventDeadLetters: eventDeadLetters
  }
}

module monitoring 'modules/monitoring.bicep' = {
  params: {
    name: name
    location: location
    tags: tags
    principalId: identity.properties.principalId
    actionGroups: alertActionGroups
  }
}

module events 'modules/events.bicep' = if (publishEvents) {
  params: {
    topicName: '${name}-${suffix}'
    location: location
    tags: tags
    principalId: identity.properties.principalId
  }
}

module sources 'modules/event-sources.bicep' = if (!empty(eventSources)) {
  params: {
    name: name
    tags: tags
    accountName: storage.outputs.accountName
    deadLetterContainer: storage.outputs.deadLetterContainer
    sources: length(union(eventSourceKeys, [])) == length(eventSourceKeys) ? eventSources : fail('eventSources names a source twice: Azure has one system topic of it')
  }
}

module app 'modules/app.bicep' = {
  params: {
    name: name
    siteName: '${name}-${suffix}'
    location: location
    tags: tags
    identity: {
      resourceId: identity.id
      clientId: identity.properties.clientId
      principalId: identity.properties.principalId
    }
    storage: storage.outputs.endpoints
    packageContainerUrl: storage.outputs.packageContainerUrl
    telemetry: monitoring.outputs.telemetry
    authority: environment().authentication.loginEndpoint
    armEndpoint: environment().resourceManager
    graphEndpoint: empty(graphEndpoint) ? (graphOrigins[?environment().name] ?? '') : graphEndpoint
    audience: contains(givenGuids, placeholder) ? fail('fill in the parameters: a GUID is still all zeros') : audience
    allowedTenants: allowedTenants
    protectedIdentities: protectedIdentities
    protectedScopes: [resourceGroup().id]
    sweepSchedule: sweepSchedule
    reconcileSchedule: reconcileSchedule
    fillSchedule: fillSchedule
    poolAssignments: poolAssignments
    retentionDays: retentionDays
    holdSeconds: holdSeconds
    settleSeconds: settleSeconds
    collectSeconds: collectSeconds
    graceSeconds: graceSeconds
    prepareSeconds: prepareSeconds
    directoryCacheSeconds: directoryCacheSeconds
    eventWebhook: eventWebhook
    eventGridAppId: eventGridAppId
    eventOrigins: eventOrigins
    maxLeasesPerCaller: maxLeasesPerCaller
    issuesPerMinute: issuesPerMinute
    maxTtl: maxTtl
    grantToUsers: grantToUsers
    tokenResources: tokenResources
    graphAppRoles: graphAppRoles
    docsUrl: docsUrl
    publicUrl: publicUrl
    storageSuffix: storageSuffix
    vaultSuffix: vaultSuffix
    publishEvents: publishEvents
    eventTopic: publishEvents ? events!.outputs.endpoint : ''
    maximumInstanceCount: maximumInstanceCount
    alwaysReadyInstances: alwaysReadyInstances
    instanceMemoryMB: instanceMemoryMB
    httpConcurrency: httpConcurrency
  }
}

module delivery 'modules/delivery.bicep' = if (deliveryVault != null) {
  params: {
    settings: deliveryVault!
    location: location
    tags: tags
    principalId: identity.properties.principalId
  }
}

module grants 'modules/grants.bicep' = {
  params: {
    principalId: identity.properties.principalId
    assignableRoles: assignableRoles
    grantToUsers: grantToUsers
    resourceGroups: grantsItsGroup
      ? fail('grantResourceGroups names the broker\'s own resource group: nothing there may be leased')
      : grantResourceGroups
    subscriptions: reachesItself && empty(ownSubscription)
      ? fail('grantSubscriptions names the broker\'s own subscription: ownSubscription has to say so in words')
      : grantSubscriptions
  }
}

@description('Name of the function app: where the code goes.')
output functionAppName string = app.outputs.siteName

@description('Origin at which callers reach the broker.')
output url string = 'https://${app.outputs.hostName}'

@description('Name of the storage account.')
output storageAccountName string = storage.outputs.accountName

@description('Object id of the broker\'s identity: `entra.sh permissions` takes it.')
output brokerPrincipalId string = identity.properties.principalId

@description('Client id of the broker\'s identity.')
output brokerClientId string = identity.properties.clientId

@description('For scopes that this file does not reach, such as management groups: docs/deploy.md.')
output assignmentCondition string = grants.outputs.condition

@description('Address of the vault for deliveries, as roles name it. Empty: there is none.')
output deliveryVaultUri string = delivery.?outputs.uri ?? ''
