// The right of one consumer at its own secret, in the resource group of the vault. At the vault, the consumer would read everybody's.

@description('Name of the vault.')
param vaultName string

@description('Object id of the consumer, which is the holder of the lease.')
param principalId string

@description('To read secrets, and nothing else: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles')
var keyVaultSecretsUser = '4633458b-17de-408a-b874-0445c86b69e6'

resource vault 'Microsoft.KeyVault/vaults@2024-11-01' existing = {
  name: vaultName
}

// Its name follows from the role's: `app-{holder}`. Leasehold makes it.
resource secret 'Microsoft.KeyVault/vaults/secrets@2024-11-01' existing = {
  parent: vault
  name: 'app-${principalId}'
}

resource mayRead 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(secret.id, principalId, keyVaultSecretsUser)
  scope: secret
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', keyVaultSecretsUser)
  }
}

@description('Address of the secret, without a version: the newest is read.')
output secretAddress string = 'https://${toLower(vaultName)}${environment().suffixes.keyvaultDns}/secrets/app-${principalId}'
