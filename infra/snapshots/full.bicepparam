// Every parameter, with a value that is not its default.
using '../main.bicep'

import * as ids from 'ids.bicep'

param name = 'lease-test'
param location = 'northeurope'
param audience = ids.audience
param protectedIdentities = ids.protectedIdentities
param allowedTenants = [ids.tenantId, '8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0006']
param assignableRoles = ids.assignableRoles
param grantResourceGroups = [{ subscriptionId: ids.subscriptionId, name: 'app' }]
param grantSubscriptions = ['8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0007']
param ownSubscription = 'The broker may assign roles in its own subscription'
param maximumInstanceCount = 100
param alwaysReadyInstances = 2
param instanceMemoryMB = 4096
param httpConcurrency = 8
param storageSku = 'Standard_LRS'
param lockStorage = false
param storageLogWorkspaceId = '${ids.resourceGroupId}/providers/Microsoft.OperationalInsights/workspaces/elsewhere'
param sweepSchedule = '*/30 * * * * *'
param reconcileSchedule = '0 47 * * * *'
param fillSchedule = '0 */2 * * * *'
param poolAssignments = '200'
param retentionDays = '30'
param holdSeconds = '25'
param settleSeconds = '240'
param collectSeconds = '600'
param graceSeconds = '300'
param prepareSeconds = '1200'
param directoryCacheSeconds = '120'
param eventWebhook = true
param eventGridAppId = '54316b56-3481-47f9-8f30-0300f5542a7b'
param eventOrigins = 'events.example.net'
param maxLeasesPerCaller = '50'
param issuesPerMinute = '60'
param maxTtl = '8h'
param grantToUsers = true
param tokenResources = 'https://api.example.net'
param graphAppRoles = 'User.Read.All,Group.Read.All'
param docsUrl = 'https://example.net/problems'
param publicUrl = 'https://example.net/leasehold'
param storageSuffix = 'core.usgovcloudapi.net'
param vaultSuffix = 'vault.usgovcloudapi.net'
param publishEvents = true
param eventSources = [
  { subscriptionId: ids.subscriptionId, resourceGroup: 'app' }
  { subscriptionId: ids.subscriptionId, resourceGroup: 'app', wholeSubscription: true }
]
param eventDeadLetters = true
param graphEndpoint = 'https://dod-graph.microsoft.us'
param deliveryVault = {
  name: 'lease-test-vault'
  purgeProtection: true
  retentionDays: 30
  publicNetworkAccess: 'Disabled'
}
param tags = { owner: 'security' }
param alertActionGroups = ['${ids.resourceGroupId}/providers/Microsoft.Insights/actionGroups/on-call']
