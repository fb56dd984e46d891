// The broker's conditional right to assign roles, over one subscription.

targetScope = 'subscription'

@description('Object id of the broker\'s identity.')
param principalId string

@description('GUID of the role definition.')
param roleDefinitionId string

@description('What the right is bound to.')
param condition string

resource grant 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(subscription().id, principalId, roleDefinitionId)
  properties: {
    principalId: principalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roleDefinitionId)
    condition: condition
    conditionVersion: '2.0'
    description: 'Leasehold: gives listed roles for the time of leases, and takes them back'
  }
}
