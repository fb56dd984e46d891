// A system topic, in the resource group of its source. Azure has one of a source at most:
// https://learn.microsoft.com/azure/event-grid/system-topics

import { Tags } from 'types.bicep'

@description('Name of the topic.')
param topicName string

@description('Put on the topic.')
param tags Tags

@description('Whether it tells of the whole subscription, and not of this resource group alone.')
param wholeSubscription bool

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' = {
  name: topicName
  // Neither resource groups nor subscriptions have a region of their own.
  location: 'global'
  tags: tags
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    source: wholeSubscription ? subscription().id : resourceGroup().id
    topicType: wholeSubscription ? 'Microsoft.Resources.Subscriptions' : 'Microsoft.Resources.ResourceGroups'
  }
}

@description('Object id of its identity.')
output principalId string = topic.identity.principalId
