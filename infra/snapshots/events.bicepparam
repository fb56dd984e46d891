// The topic to which the broker publishes, its identity known. The local Azure has this topic.
using '../modules/events.bicep'

import * as ids from 'ids.bicep'

param topicName = 'leasehold'
param location = 'westeurope'
param tags = {}
param principalId = ids.identity.principalId
