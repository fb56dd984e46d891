// A key vault to which the broker delivers credentials, and the broker's right there: to put secrets in and to take them out again,
// and to read none. docs/delivery.md explains who may read them.

import { DeliveryVault, Tags } from 'types.bicep'

@description('The vault.')
param settings DeliveryVault

@description('Region of the vault.')
param location string

@description('Put on the vault.')
param tags Tags

@description('Object id of the broker\'s identity.')
param principalId string

@description('Every data action of a secret begins with it.')
var secrets = 'Microsoft.KeyVault/vaults/secrets'

@description('Whether the vault is reached over the internet.')
var network = settings.?publicNetworkAccess ?? 'Enabled'

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' = {
  name: settings.name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    // Rights are role assignments alone: they can be given at one secret, which an access policy cannot.
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: settings.?retentionDays ?? 7
    // Azure takes no `false` here. Without it the broker purges what it has deleted, so that nothing is left of a lease; with it
    // nobody can, and each deleted secret is kept for the retention, which nobody can read.
    ...((settings.?purgeProtection ?? false) ? { enablePurgeProtection: true } : {})
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    // Open to the network, as storage is, because the function app is in no virtual network: what guards it is who may read.
    publicNetworkAccess: network
    networkAcls: {
      defaultAction: network == 'Enabled' ? 'Allow' : 'Deny'
      bypass: 'None'
    }
  }
}

// The names of custom roles are unique in a tenant, and the names of vaults in all of Azure: two brokers do not meet.
resource courier 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(vault.id, 'courier')
  properties: {
    roleName: 'Leasehold Courier (${settings.name})'
    description: 'Puts secrets into a vault and takes them out again, without reading any.'
    type: 'CustomRole'
    permissions: [
      {
        actions: []
        notActions: []
        dataActions: [
          '${secrets}/setSecret/action'
          '${secrets}/delete'
          '${secrets}/purge/action'
          '${secrets}/update/action'
          '${secrets}/readMetadata/action'
        ]
        notDataActions: []
      }
    ]
    assignableScopes: [resourceGroup().id]
  }
}

resource delivering 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(vault.id, principalId, courier.id)
  scope: vault
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: courier.id
    description: 'Leasehold: delivers credentials, and reads none'
  }
}

@description('Address of the vault, as roles name it.')
output uri string = 'https://${toLower(settings.name)}${environment().suffixes.keyvaultDns}'
