// The topic to which the broker publishes its events. Whoever wants them subscribes to it.

import { Tags } from 'types.bicep'

@description('Name of the topic, unique in its region.')
param topicName string

@description('Region of the topic.')
param location string

@description('Put on every resource.')
param tags Tags

@description('Object id of the broker\'s identity: it alone may publish.')
param principalId string

@description('To publish, and nothing else: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles')
var eventGridDataSender = 'd5a91429-5739-47e2-a06b-3470a27159e7'

resource topic 'Microsoft.EventGrid/topics@2025-02-15' = {
  name: topicName
  location: location
  tags: tags
  properties: {
    inputSchema: 'CloudEventSchemaV1_0'
    // No access key: events come from the broker's identity alone.
    disableLocalAuth: true
    minimumTlsVersionAllowed: '1.2'
    publicNetworkAccess: 'Enabled'
  }
}

resource mayPublish 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(topic.id, principalId, eventGridDataSender)
  scope: topic
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', eventGridDataSender)
  }
}

@description('Where events are published.')
output endpoint string = topic.properties.endpoint
