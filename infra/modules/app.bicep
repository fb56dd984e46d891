// The function app on Flex Consumption: Python 3.13 on Linux, one user-assigned identity, everything over HTTPS.

param name string
param siteName string
param location string
param tags object

param identityName string
param storageAccountName string
param packageContainerUrl string
param applicationInsightsName string

param audience string
param allowedTenants string[]
param protectedIdentities string[]
param protectedScopes string[]
param graphEndpoint string
param sweepSchedule string
param reconcileSchedule string
param retentionDays string
param holdSeconds string
param settleSeconds string
param docsUrl string

param maximumInstanceCount int
param alwaysReadyInstances int
param instanceMemoryMB int
param httpConcurrency int

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' existing = {
  name: identityName
}

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageAccountName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: applicationInsightsName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
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

resource site 'Microsoft.Web/sites@2024-04-01' = {
  name: siteName
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
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
            userAssignedIdentityResourceId: identity.id
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

// Names without a value are left out, and the broker's defaults hold.
var requiredSettings = {
  AzureWebJobsStorage__accountName: account.name
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identity.properties.clientId
  // The name alone means core.windows.net; where an address stands, it is taken instead, and so this holds in every cloud.
  AzureWebJobsStorage__blobServiceUri: account.properties.primaryEndpoints.blob
  AzureWebJobsStorage__queueServiceUri: account.properties.primaryEndpoints.queue
  AzureWebJobsStorage__tableServiceUri: account.properties.primaryEndpoints.table
  // An address and an instrumentation key, which is no credential here: local authentication is off.
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identity.properties.clientId};Authorization=AAD'
  // 2 MiB, for 100: the broker reads 64 KiB at most, and the host takes a body whole before anybody is asked who sends it.
  FUNCTIONS_REQUEST_BODY_SIZE_LIMIT: '2097152'
  LEASEHOLD_TENANT_ID: tenant().tenantId
  LEASEHOLD_ALLOWED_TENANTS: join(allowedTenants, ',')
  LEASEHOLD_AUDIENCE: audience
  LEASEHOLD_CLIENT_ID: identity.properties.clientId
  LEASEHOLD_SUBSCRIPTION_ID: subscription().subscriptionId
  LEASEHOLD_AUTHORITY: environment().authentication.loginEndpoint
  LEASEHOLD_GRAPH_ENDPOINT: graphEndpoint
  LEASEHOLD_ARM_ENDPOINT: environment().resourceManager
  LEASEHOLD_SWEEP_SCHEDULE: sweepSchedule
  LEASEHOLD_RECONCILE_SCHEDULE: reconcileSchedule
  LEASEHOLD_PROTECTED_SCOPES: join(protectedScopes, ',')
  LEASEHOLD_PROTECTED_IDENTITIES: join(
    concat(protectedIdentities, [audience, identity.properties.clientId, identity.properties.principalId]),
    ','
  )
}
var optionalSettings = union(
  empty(retentionDays) ? {} : { LEASEHOLD_RETENTION_DAYS: retentionDays },
  empty(holdSeconds) ? {} : { LEASEHOLD_HOLD_SECONDS: holdSeconds },
  empty(settleSeconds) ? {} : { LEASEHOLD_SETTLE_SECONDS: settleSeconds },
  empty(docsUrl) ? {} : { LEASEHOLD_DOCS_URL: docsUrl }
)

resource settings 'Microsoft.Web/sites/config@2024-04-01' = {
  parent: site
  name: 'appsettings'
  properties: union(requiredSettings, optionalSettings)
}

// Passwords for publishing, over either way in, are off: packages are published by whoever holds an Azure role on the app.
resource publishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-04-01' = [
  for door in ['ftp', 'scm']: {
    parent: site
    name: door
    properties: {
      allow: false
    }
  }
]

output siteName string = site.name
output hostName string = site.properties.defaultHostName
