// What several files name.

@export()
@description('A resource group, anywhere in the tenant.')
type ResourceGroupReference = {
  @description('GUID of the subscription.')
  subscriptionId: string
  @description('Name of the resource group.')
  name: string
}

@export()
@description('Names and values that are put on a resource.')
type Tags = {
  @description('Value of the tag.')
  *: string
}

@export()
@description('The broker\'s managed identity.')
type Identity = {
  @description('Resource id.')
  resourceId: string
  @description('Client id: what it is asked for by.')
  clientId: string
  @description('Object id of its service principal: what rights are given to.')
  principalId: string
}

@export()
@description('Where the services of a storage account are, each an address that ends in a slash.')
type StorageEndpoints = {
  @description('Of blobs.')
  blob: string
  @description('Of queues.')
  queue: string
  @description('Of tables.')
  table: string
}
