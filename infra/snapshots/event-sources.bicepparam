// What Event Grid tells the broker of: a resource group with every filter, and a subscription without one.
using '../modules/event-sources.bicep'

import * as ids from 'ids.bicep'

param name = 'leasehold'
param tags = {}
param accountName = ids.storageAccountName
param deadLetterContainer = 'event-dead-letters'
param sources = [
  {
    subscriptionId: ids.subscriptionId
    resourceGroup: 'app'
    subjectBeginsWith: '/subscriptions/${ids.subscriptionId}/resourceGroups/app/providers/Microsoft.Web/sites/'
    operations: ['Microsoft.Web/sites/write', 'Microsoft.Web/sites/delete']
  }
  { subscriptionId: '8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f0007', resourceGroup: 'shared', wholeSubscription: true }
]
