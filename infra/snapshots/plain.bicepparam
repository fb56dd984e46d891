// What has to be given, and nothing else.
using '../main.bicep'

import * as ids from 'ids.bicep'

param audience = ids.audience
param assignableRoles = ids.assignableRoles
