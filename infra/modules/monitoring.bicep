// Application Insights over a Log Analytics workspace. Telemetry is accepted from identities alone, not from whoever knows the
// instrumentation key: https://learn.microsoft.com/azure/azure-monitor/app/azure-ad-authentication

import { Tags } from 'types.bicep'

@description('Begins the name of every resource.')
param name string

@description('Region of every resource.')
param location string

@description('Put on every resource.')
param tags Tags

@description('Object id of the broker\'s identity.')
param principalId string

@description('Role definition: sending telemetry, and nothing else.')
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-07-01' = {
  name: '${name}-logs'
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: 30
    features: {
      disableLocalAuth: true
    }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: '${name}-insights'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true
  }
}

resource publishing 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(insights.id, principalId, monitoringMetricsPublisher)
  scope: insights
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
    description: 'Leasehold: sending its own telemetry'
  }
}

@description('Connection string: an address and an instrumentation key, which is no credential, for local authentication is off.')
output telemetry string = insights.properties.ConnectionString
