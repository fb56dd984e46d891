// What the snapshots in this folder are made for. No such tenant or subscription exists.

@export()
@description('GUID of the tenant.')
var tenantId = '8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0001'

@export()
@description('GUID of the subscription.')
var subscriptionId = '8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0002'

@export()
@description('Client id of the API application.')
var audience = '8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0005'

@export()
@description('Object ids of the API application and of its service principal.')
var protectedIdentities = ['8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0008', '8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0009']

@export()
@description('The resource group of the broker.')
var resourceGroupId = '/subscriptions/${subscriptionId}/resourceGroups/leasehold'

@export()
@description('The identity of the broker.')
var identity = {
  resourceId: '${resourceGroupId}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/leasehold-broker'
  principalId: '8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0003'
  clientId: '8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0004'
}

@export()
@description('Role definitions that leases may carry, as the sample has them.')
var assignableRoles = [
  'acdd72a7-3385-48ef-bd42-f606fba81ae7' // Reader
  '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1' // Storage Blob Data Reader
]

@export()
@description('The storage account.')
var storageAccountName = 'account'
