// The function app on Flex Consumption: Python 3.13 on Linux, one user-assigned identity, everything over HTTPS.

import { Identity, StorageEndpoints, Tags } from 'types.bicep'

@description('Begins the name of the plan.')
param name string

@description('Name of the function app, unique in all of Azure.')
param siteName string

@description('Region of every resource.')
param location string

@description('Put on every resource.')
param tags Tags

@description('What the app acts as.')
param identity Identity

@description('The app\'s storage account.')
param storage StorageEndpoints

@description('Address of the container that the app\'s package is fetched from.')
param packageContainerUrl string

@description('Connection string of Application Insights: an address and an instrumentation key, which is no credential here.')
param telemetry string

@description('Origin of Microsoft Entra ID.')
param authority string

@description('Origin of Azure Resource Manager.')
param armEndpoint string

@description('Origin of Microsoft Graph.')
param graphEndpoint string

@description('Client id of the API application that callers ask tokens for.')
param audience string

@description('Tenants whose callers are let in.')
param allowedTenants string[]

@description('Object ids that no role may target, beside the broker\'s own.')
param protectedIdentities string[]

@description('Resource ids at or below which no role may assign anything.')
param protectedScopes string[]

@description('NCRONTAB of the sweep, six fields.')
param sweepSchedule string

@description('NCRONTAB of the reconciliation, six fields.')
param reconcileSchedule string

@description('NCRONTAB of the filling of pools, six fields.')
param fillSchedule string

@description('Role assignments that may stand in all pools together. Empty: the broker\'s default.')
param poolAssignments string

@description('Days for which an ended lease is remembered. Empty: the broker\'s default. The same for those that follow.')
param retentionDays string

@description('Seconds for which a worker holds a lease.')
param holdSeconds string

@description('Seconds after which an absence is believed.')
param settleSeconds string

@description('Seconds for which a lease waits to be collected that was made while nobody waited.')
param collectSeconds string

@description('Seconds for which a credential may be collected once more.')
param graceSeconds string

@description('Seconds within which a lease is made for which nobody waits.')
param prepareSeconds string

@description('Whether events may be published over HTTP: off unless this is true. Set it after the code that knows it.')
param eventWebhook bool

@description('Application id as which Event Grid calls. Empty: that of the cloud.')
param eventGridAppId string

@description('Hosts, separated by commas, that may ask for consent to publish besides eventgrid.azure.net. Empty: none.')
param eventOrigins string

@description('Seconds for which the broker remembers what the directory says of a caller.')
param directoryCacheSeconds string

@description('Live leases that one caller may hold over all roles.')
param maxLeasesPerCaller string

@description('Leases that one caller may ask for in a minute. 0: any number.')
param issuesPerMinute string

@description('Longest lifetime of a lease, such as 8h.')
param maxTtl string

@description('Whether the broker may assign roles to users.')
param grantToUsers bool
@description('Resources beside Azure\'s own for which roles may hand out access tokens.')
param tokenResources string

@description('Application permissions of Microsoft Graph that roles may have.')
param graphAppRoles string

@description('Address of a page that explains problems.')
param docsUrl string

@description('Address under which callers reach the broker. Empty: the app\'s own.')
param publicUrl string

@description('What the hosts of storage accounts end with. Empty: core.windows.net, as in the public cloud.')
param storageSuffix string

@description('What the hosts of vaults end with. Empty: vault.azure.net, as in the public cloud.')
param vaultSuffix string

@description('Whether the broker publishes events.')
param publishEvents bool

@description('Endpoint of the topic to which it publishes them.')
param eventTopic string

@description('Most instances of each group of functions at once.')
param maximumInstanceCount int

@description('Instances kept warm for HTTP.')
param alwaysReadyInstances int

@description('Memory of an instance, in MB.')
param instanceMemoryMB int

@description('Requests that one instance takes on at once.')
param httpConcurrency int

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: '${name}-plan'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: siteName
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.resourceId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: packageContainerUrl
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identity.resourceId
          }
        }
      }
      runtime: {
        name: 'python'
        version: '3.13'
      }
      scaleAndConcurrency: {
        maximumInstanceCount: maximumInstanceCount
        instanceMemoryMB: instanceMemoryMB
        alwaysReady: alwaysReadyInstances > 0 ? [{ name: 'http', instanceCount: alwaysReadyInstances }] : []
        triggers: {
          http: {
            perInstanceConcurrency: httpConcurrency
          }
        }
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
    }
  }
}

@description('Settings that are always there.')
var requiredSettings = {
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.clientId
  // Addresses and no AzureWebJobsStorage__accountName: the host would take the name instead, and make of it an address in the public cloud.
  AzureWebJobsStorage__blobServiceUri: storage.blob
  AzureWebJobsStorage__queueServiceUri: storage.queue
  AzureWebJobsStorage__tableServiceUri: storage.table
  APPLICATIONINSIGHTS_CONNECTION_STRING: telemetry
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.clientId};Authorization=AAD'
  // 6 MiB, for 100: the broker reads 5 MiB of an import and 64 KiB of anything else. The host takes a body whole before anybody is asked
  // who sends it.
  FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '6291456'
  LEASEHOLD_TENANT_ID: tenant().tenantId
  LEASEHOLD_ALLOWED_TENANTS: join(allowedTenants, ',')
  LEASEHOLD_AUDIENCE: audience
  LEASEHOLD_CLIENT_ID: identity.clientId
  LEASEHOLD_SUBSCRIPTION_ID: subscription().subscriptionId
  LEASEHOLD_AUTHORITY: authority
  LEASEHOLD_GRAPH_ENDPOINT: graphEndpoint
  LEASEHOLD_ARM_ENDPOINT: armEndpoint
  LEASEHOLD_SWEEP_SCHEDULE: sweepSchedule
  LEASEHOLD_RECONCILE_SCHEDULE: reconcileSchedule
  LEASEHOLD_FILL_SCHEDULE: fillSchedule
  LEASEHOLD_PROTECTED_SCOPES: join(protectedScopes, ',')
  LEASEHOLD_PROTECTED_IDENTITIES: join(
    concat(protectedIdentities, [audience, identity.clientId, identity.principalId]),
    ','
  )
}

@description('Settings without a value are left out, and the broker\'s defaults hold.')
var optionalSettings = union(
  empty(retentionDays) ? {} : { LEASEHOLD_RETENTION_DAYS: retentionDays },
  empty(holdSeconds) ? {} : { LEASEHOLD_HOLD_SECONDS: holdSeconds },
  empty(settleSeconds) ? {} : { LEASEHOLD_SETTLE_SECONDS: settleSeconds },
  empty(collectSeconds) ? {} : { LEASEHOLD_COLLECT_SECONDS: collectSeconds },
  empty(graceSeconds) ? {} : { LEASEHOLD_GRACE_SECONDS: graceSeconds },
  empty(prepareSeconds) ? {} : { LEASEHOLD_PREPARE_SECONDS: prepareSeconds },
  empty(directoryCacheSeconds) ? {} : { LEASEHOLD_DIRECTORY_CACHE_SECONDS: directoryCacheSeconds },
  empty(maxLeasesPerCaller) ? {} : { LEASEHOLD_MAX_LEASES_PER_CALLER: maxLeasesPerCaller },
  empty(issuesPerMinute) ? {} : { LEASEHOLD_ISSUES_PER_MINUTE: issuesPerMinute },
  empty(poolAssignments) ? {} : { LEASEHOLD_POOL_ASSIGNMENTS: poolAssignments },
  eventWebhook ? { LEASEHOLD_EVENT_WEBHOOK: 'on' } : {},
  empty(eventGridAppId) ? {} : { LEASEHOLD_EVENT_GRID_APP_ID: eventGridAppId },
  empty(eventOrigins) ? {} : { LEASEHOLD_EVENT_ORIGINS: eventOrigins },
  empty(maxTtl) ? {} : { LEASEHOLD_MAX_TTL: maxTtl },
  grantToUsers ? { LEASEHOLD_GRANT_TO_USERS: 'true' } : {},
  empty(tokenResources) ? {} : { LEASEHOLD_TOKEN_RESOURCES: tokenResources },
  empty(graphAppRoles) ? {} : { LEASEHOLD_GRAPH_APP_ROLES: graphAppRoles },
  empty(docsUrl) ? {} : { LEASEHOLD_DOCS_URL: docsUrl },
  empty(publicUrl) ? {} : { LEASEHOLD_PUBLIC_URL: publicUrl },
  empty(storageSuffix) ? {} : { LEASEHOLD_STORAGE_SUFFIX: storageSuffix },
  empty(vaultSuffix) ? {} : { LEASEHOLD_VAULT_SUFFIX: vaultSuffix },
  publishEvents ? { LEASEHOLD_EVENT_TOPIC: eventTopic } : {}
)

resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'appsettings'
  properties: union(requiredSettings, optionalSettings)
}

// Passwords for publishing, over either way in, are off: packages are published by whoever holds an Azure role on the app.
resource ftpPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2025-03-01' = {
  parent: site
  name: 'scm'
  properties: {
    allow: false
  }
}

@description('Name of the function app.')
output siteName string = site.name

@description('Host name at which callers reach it.')
output hostName string = site.properties.defaultHostName
