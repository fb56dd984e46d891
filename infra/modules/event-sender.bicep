// What a system topic may do at the broker's storage account: put messages on the one queue, and read none.

@description('Name of the account.')
param accountName string

@description('Container for what could not be delivered. Empty: there is none.')
param deadLetterContainer string

@description('Object id of the identity of the topic.')
param principalId string

@description('As shared/core/message.py names it.')
var queueName = 'events'

@description('To put messages on a queue, and nothing else: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles')
var storageQueueDataMessageSender = 'c6a89b2d-59bc-44d0-9896-0f6e12d7b80a'

@description('What Event Grid needs at a container for dead letters: https://learn.microsoft.com/azure/event-grid/managed-service-identity')
var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' existing = {
  name: accountName

  resource queues 'queueServices' existing = {
    name: 'default'

    resource events 'queues' existing = {
      name: queueName
    }
  }

  resource blobs 'blobServices' existing = {
    name: 'default'

    resource deadLetters 'containers' existing = {
      name: deadLetterContainer
    }
  }
}

resource maySend 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(account::queues::events.id, principalId, storageQueueDataMessageSender)
  scope: account::queues::events
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageQueueDataMessageSender)
    description: 'Leasehold: Event Grid tells the broker'
  }
}

resource maySetAside 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(deadLetterContainer)) {
  name: guid(account::blobs::deadLetters.id, principalId, storageBlobDataContributor)
  scope: account::blobs::deadLetters
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    description: 'Leasehold: what Event Grid could not deliver'
  }
}
