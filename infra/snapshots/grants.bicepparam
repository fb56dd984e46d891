// The broker's rights over two resource groups. The local Azure gives its broker the same.
using '../modules/grants.bicep'

import * as ids from 'ids.bicep'

param principalId = ids.identity.principalId
param assignableRoles = ids.assignableRoles
param resourceGroups = [
  { subscriptionId: ids.subscriptionId, name: 'app' }
  { subscriptionId: ids.subscriptionId, name: 'data' }
]
param grantToUsers = false
param subscriptions = []
