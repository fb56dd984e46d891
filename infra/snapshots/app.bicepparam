// The function app with every setting, once everything that Azure makes up is known.
using '../modules/app.bicep'

import * as ids from 'ids.bicep'

param name = 'leasehold'
param siteName = 'leasehold-site'
param location = 'westeurope'
param tags = {}
param identity = ids.identity
param storage = {
  blob: 'https://account.blob.storage.example/'
  queue: 'https://account.queue.storage.example/'
  table: 'https://account.table.storage.example/'
}
param packageContainerUrl = 'https://account.blob.storage.example/packages'
param telemetry = 'InstrumentationKey=0;IngestionEndpoint=https://telemetry.example/'
param authority = 'https://login.example/'
param armEndpoint = 'https://arm.example/'
param graphEndpoint = 'https://graph.example'
param audience = ids.audience
param allowedTenants = [ids.tenantId]
param protectedIdentities = ids.protectedIdentities
param protectedScopes = [ids.resourceGroupId]
param sweepSchedule = '0 * * * * *'
param reconcileSchedule = '0 17 * * * *'
param fillSchedule = '30 * * * * *'
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
param eventTopic = 'https://leasehold.westeurope-1.eventgrid.azure.net/api/events'
param maximumInstanceCount = 40
param alwaysReadyInstances = 0
param instanceMemoryMB = 2048
param httpConcurrency = 16
