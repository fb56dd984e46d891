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

@description('Action groups that are told of an alert. Without one, alerts show in the portal alone.')
param actionGroups string[]

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

// What the broker logs of its pools and of events as an error (docs/credentials.md, "Pools"; docs/events.md, "The queue"): https://learn.microsoft.com/azure/azure-monitor/alerts/alerts-types#log-alerts
@description('Begin of the line in the log, by the last part of the rule\'s name, with what has happened and how bad it is (1: error; 2: warning).')
var alertsOfLog = {
  'event-poison': {
    line: 'event_poison'
    severity: 2
    description: 'An event from Azure was given up: it failed five times, or waited for a day. POST /api/v1/events/replay puts it back.'
  }
  'pool-low': {
    line: 'pool_low'
    severity: 2
    description: 'A pool has been less than half full for ten minutes: callers wait. The reason is pool.{role}.failing in the status.'
  }
  'pool-tampered': {
    line: 'pool_tampered'
    severity: 1
    description: 'Somebody else has touched a principal that waits in a pool. Its lease ends. The audit trail has the key.'
  }
  'successor-missing': {
    line: 'successor_missing'
    severity: 1
    description: 'A lease that an event rule rotates has ended without a successor: what lies under its secret\'s name does not work any more. The audit trail says why no successor could be issued.'
  }
}

resource alerts 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in items(alertsOfLog): {
    name: '${name}-${alert.key}'
    location: location
    tags: tags
    properties: {
      displayName: '${name}: ${replace(alert.key, '-', ' ')}'
      description: alert.value.description
      severity: alert.value.severity
      enabled: true
      scopes: [insights.id]
      evaluationFrequency: 'PT10M'
      windowSize: 'PT10M'
      criteria: {
        allOf: [
          {
            query: 'traces | where message startswith "${alert.value.line} "'
            timeAggregation: 'Count'
            operator: 'GreaterThan'
            threshold: 0
          }
        ]
      }
      autoMitigate: true
      actions: {
        actionGroups: actionGroups
      }
    }
  }
]

@description('Connection string: an address and an instrumentation key, which is no credential, for local authentication is off.')
output telemetry string = insights.properties.ConnectionString
