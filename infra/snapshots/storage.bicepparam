// The storage account and the broker's rights over it, its identity known.
using '../modules/storage.bicep'

import * as ids from 'ids.bicep'

param accountName = ids.storageAccountName
param location = 'westeurope'
param tags = {}
param sku = 'Standard_ZRS'
param principalId = ids.identity.principalId
param lock = true
param logWorkspaceId = ''
param eventDeadLetters = false
