// A web app that asks nobody for a credential. Event Grid tells Leasehold that the app was made, Leasehold puts a credential for it into
// a key vault, and the app reads it there: under the name `app-<object id of its identity>`, which this file knows.

targetScope = 'resourceGroup'

@description('Name of the web app, unique in all of Azure.')
@minLength(2)
@maxLength(60)
param name string

@description('Region of the web app.')
param location string = resourceGroup().location

@description('The vault for deliveries: deliveryVault of the template of Leasehold.')
param vaultName string

@description('Resource group of the vault, in this subscription.')
param vaultResourceGroup string = 'leasehold'

resource plan 'Microsoft.Web/serverfarms@2025-03-01' = {
  name: '${name}-plan'
  location: location
  kind: 'linux'
  sku: {
    name: 'B1'
  }
  properties: {
    reserved: true
  }
}

resource site 'Microsoft.Web/sites@2025-03-01' = {
  name: name
  location: location
  kind: 'app,linux'
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    siteConfig: {
      linuxFxVersion: 'PYTHON|3.13'
      minTlsVersion: '1.2'
      ftpsState: 'Disabled'
    }
  }
}

module reading 'secret-reader.bicep' = {
  scope: resourceGroup(vaultResourceGroup)
  params: {
    vaultName: vaultName
    principalId: site.identity.principalId
  }
}

// Where the credential lies, and not the credential. The app reads it by this address when it needs it, and again once it is refused.
resource settings 'Microsoft.Web/sites/config@2025-03-01' = {
  parent: site
  name: 'appsettings'
  properties: {
    CREDENTIAL_ADDRESS: reading.outputs.secretAddress
  }
}

@description('Object id of the identity of the web app: the holder of the lease.')
output principalId string = site.identity.principalId

@description('Where the credential lies.')
output secretAddress string = reading.outputs.secretAddress
