// The storage account: leases, roles and audit trail in tables, the app's package in a container. Shared keys do not work on it.

import { StorageEndpoints, Tags } from 'types.bicep'

@description('Name of the account.')
param accountName string

@description('Region of the account.')
param location string

@description('Put on the account.')
param tags Tags

@description('Kind of redundancy.')
param sku string

@description('Object id of the broker\'s identity.')
param principalId string

@description('Whether a lock keeps the account from being deleted.')
param lock bool

@description('Resource id of the Log Analytics workspace that receives every write and deletion. Empty: none does.')
param logWorkspaceId string

@description('Whether there is a container for events that Event Grid could not deliver.')
param eventDeadLetters bool

@description('Holds the app\'s package.')
var containerName = 'packages'

@description('Holds what Event Grid could not put on the queue of events.')
var deadLetterName = 'event-dead-letters'

@description('As shared/cloud names them. The broker would make a missing one itself; made here, the first call does not have to.')
var tableNames = ['leases', 'roles', 'audit', 'pool']

@description('As shared/core/message.py names them: leases to be ended, and messages about them that failed too often; leases to prepare; pools to fill; events from outside, those that failed too often, and those that were given up.')
var queueNames = [
  'revocations'
  'revocations-poison'
  'preparations'
  'fillings'
  'events'
  'events-poison'
  'events-set-aside'
]

// Least of what the Functions host and the broker do:
//   Blob Data Owner         the host keeps timer locks and its own state in containers that it makes, and reads the package:
//                           https://learn.microsoft.com/azure/azure-functions/functions-reference#connecting-to-host-storage-with-an-identity
//   Table Data Contributor  leases, roles, audit trail; the host's diagnostic events
//   Queue Data Contributor  leases to be ended, and to prepare: the broker puts messages there; the host takes them, hides and deletes them,
//                           sets poisoned ones aside, and counts them to know how many instances to start
@description('Role definitions, each assigned on this account alone.')
var dataRoles = {
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
}

resource account 'Microsoft.Storage/storageAccounts@2025-06-01' = {
  name: accountName
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    // Open to the network because the function app is in no virtual network: what guards it is that keys do not work.
    publicNetworkAccess: 'Enabled'
    networkAcls: {
      defaultAction: 'Allow'
      bypass: 'AzureServices'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource packages 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = {
  parent: blobs
  name: containerName
  properties: {
    publicAccess: 'None'
  }
}

resource deadLetters 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-06-01' = if (eventDeadLetters) {
  parent: blobs
  name: deadLetterName
  properties: {
    publicAccess: 'None'
  }
}

resource forgetting 'Microsoft.Storage/storageAccounts/managementPolicies@2025-06-01' = if (eventDeadLetters) {
  parent: account
  name: 'default'
  properties: {
    policy: {
      rules: [
        {
          name: 'event-dead-letters'
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: ['blockBlob', 'appendBlob']
              prefixMatch: ['${deadLetterName}/']
            }
            actions: {
              baseBlob: {
                delete: {
                  daysAfterModificationGreaterThan: 7
                }
              }
            }
          }
        }
      ]
    }
  }
}

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource tables 'Microsoft.Storage/storageAccounts/tableServices/tables@2025-06-01' = [
  for table in tableNames: {
    parent: tableService
    name: table
  }
]

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2025-06-01' = {
  parent: account
  name: 'default'
}

resource queues 'Microsoft.Storage/storageAccounts/queueServices/queues@2025-06-01' = [
  for queue in queueNames: {
    parent: queueService
    name: queue
  }
]

resource dataRoleAssignments 'Microsoft.Authorization/roleAssignments@2022-04-01' = [
  for role in items(dataRoles): {
    name: guid(account.id, principalId, role.value)
    scope: account
    properties: {
      principalId: principalId
      principalType: 'ServicePrincipal'
      roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role.value)
      description: 'Leasehold: the broker\'s own storage'
    }
  }
]

resource accountLock 'Microsoft.Authorization/locks@2020-05-01' = if (lock) {
  name: 'leasehold-records'
  scope: account
  properties: {
    level: 'CanNotDelete'
    notes: 'Without the leases table nothing knows which credentials are out. End every lease before removing this.'
  }
}

resource tableLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(logWorkspaceId)) {
  name: 'leasehold-writes'
  scope: tableService
  properties: {
    workspaceId: logWorkspaceId
    logs: [
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
  }
}

resource blobLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(logWorkspaceId)) {
  name: 'leasehold-writes'
  scope: blobs
  properties: {
    workspaceId: logWorkspaceId
    logs: [
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
  }
}

resource queueLog 'Microsoft.Insights/diagnosticSettings@2021-05-01-preview' = if (!empty(logWorkspaceId)) {
  name: 'leasehold-writes'
  scope: queueService
  properties: {
    workspaceId: logWorkspaceId
    logs: [
      { category: 'StorageWrite', enabled: true }
      { category: 'StorageDelete', enabled: true }
    ]
  }
}

@description('Name of the account.')
output accountName string = account.name

@description('Where its services are, in whichever cloud.')
output endpoints StorageEndpoints = {
  blob: account.properties.primaryEndpoints.blob
  queue: account.properties.primaryEndpoints.queue
  table: account.properties.primaryEndpoints.table
}

@description('Address of the container for the app\'s package.')
output packageContainerUrl string = uri(account.properties.primaryEndpoints.blob, packages.name)

@description('Name of the container for events that could not be delivered. Empty: there is none.')
output deadLetterContainer string = eventDeadLetters ? deadLetters.name : ''
