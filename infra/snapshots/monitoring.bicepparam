// Telemetry and the broker's right to send it, its identity known.
using '../modules/monitoring.bicep'

import * as ids from 'ids.bicep'

param name = 'leasehold'
param location = 'westeurope'
param tags = {}
param principalId = ids.identity.principalId
param actionGroups = []
