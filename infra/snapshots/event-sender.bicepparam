// What a system topic may do at the storage account, its identity known.
using '../modules/event-sender.bicep'

import * as ids from 'ids.bicep'

param accountName = ids.storageAccountName
param deadLetterContainer = 'event-dead-letters'
param principalId = '8d7b1f6e-6a57-4a0c-9a53-0c6f3a1f000a'
