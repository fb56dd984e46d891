// A vault for deliveries and the broker's right there, its identity known. The local Azure gives its broker the same right.
using '../modules/delivery.bicep'

import * as ids from 'ids.bicep'

param settings = { name: 'app' }
param location = 'westeurope'
param tags = {}
param principalId = ids.identity.principalId
