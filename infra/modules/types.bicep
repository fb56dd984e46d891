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

@export()
@description('A vault for deliveries, in the broker\'s resource group.')
type DeliveryVault = {
  @description('Name of the vault, unique in all of Azure.')
  @minLength(3)
  @maxLength(24)
  name: string
  @description('Whether nobody may purge a deleted secret before the retention is over. It can never be turned off again. Off unless it is said.')
  purgeProtection: bool?
  @description('Days for which Azure keeps a deleted secret that is not purged. It cannot be changed later. 7 unless it is said.')
  @minValue(7)
  @maxValue(90)
  retentionDays: int?
  @description('Whether the vault is reached over the internet. Disabled: through private endpoints alone, and you make one for the broker. Enabled unless it is said.')
  publicNetworkAccess: ('Enabled' | 'Disabled')?
}

@export()
@description('Of whose resources Event Grid tells the broker.')
type EventSource = {
  @description('GUID of the subscription.')
  subscriptionId: string
  @description('Name of the resource group. The system topic lies in it.')
  resourceGroup: string
  @description('Whether events of the whole subscription are told, and not of that resource group alone. No, unless it is said.')
  wholeSubscription: bool?
  @description('What the resource ids begin with, upper and lower case being the same. Any, unless it is said.')
  subjectBeginsWith: string?
  @description('Types of events. The two of which rules can speak, unless it is said.')
  @minLength(1)
  types: string[]?
  @description('Values of data.operationName, such as Microsoft.Web/sites/write. Any, unless it is said.')
  @minLength(1)
  @maxLength(25)
  operations: string[]?
}
