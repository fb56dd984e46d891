// As many roles as the template takes, those that give roles among them, over a subscription.
using '../modules/grants.bicep'

import * as ids from 'ids.bicep'

param principalId = ids.identity.principalId
param assignableRoles = concat(
  ids.assignableRoles,
  [
    '8e3af657-a8ff-443c-a75c-2fe8c4bcb635' // Owner
    '18d7d88d-d35e-4fb5-a5c3-7773c20a72d9' // User Access Administrator
    'f58310d9-a9f6-439a-9e8d-f62e7b41a168' // Role Based Access Control Administrator
    '8b54135c-b56d-4d72-a534-26097cfdc8d8' // Key Vault Data Access Administrator
  ],
  map(range(6, 54), number => '${padLeft(string(number), 8, '0')}-0000-0000-0000-000000000000')
)
param resourceGroups = []
param grantToUsers = true
param subscriptions = [ids.subscriptionId]
