// A sample: copy it, fill it in, and keep the copy with your own infrastructure. docs/deploy.md says where the values come from.
using 'main.bicep'

// `entra.sh application` prints these three.
param audience = '00000000-0000-0000-0000-000000000000'
param protectedIdentities = [
  '00000000-0000-0000-0000-000000000000' // application_object_id
  '00000000-0000-0000-0000-000000000000' // service_principal_object_id
]

param assignableRoles = [
  'acdd72a7-3385-48ef-bd42-f606fba81ae7' // Reader
  '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1' // Storage Blob Data Reader
]

param grantResourceGroups = [
  {
    subscriptionId: '00000000-0000-0000-0000-000000000000'
    name: 'app'
  }
]
