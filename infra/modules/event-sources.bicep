// What Event Grid tells the broker of, for event rules: for each source a system topic, its right to put messages on the queue, and a
// subscription that does it. docs/deploy.md explains the parameters, docs/events.md the rules.

import { EventSource, Tags } from 'types.bicep'

@description('Begins the names of the topics.')
param name string

@description('Put on the topics.')
param tags Tags

@description('Name of the broker\'s storage account, in this resource group.')
param accountName string

@description('Container for what could not be delivered. Empty: it is dropped.')
param deadLetterContainer string

@description('The sources, each once.')
param sources EventSource[]

@description('Names of the topics, in the order of the sources.')
var topicNames = [
  for source in sources: '${name}-${uniqueString(resourceGroup().id, toLower(source.subscriptionId), toLower(source.resourceGroup), string(source.?wholeSubscription ?? false))}'
]

module topics 'event-topic.bicep' = [
  for (source, index) in sources: {
    scope: resourceGroup(source.subscriptionId, source.resourceGroup)
    params: {
      topicName: topicNames[index]
      tags: tags
      wholeSubscription: source.?wholeSubscription ?? false
    }
  }
]

module senders 'event-sender.bicep' = [
  for index in range(0, length(sources)): {
    params: {
      accountName: accountName
      deadLetterContainer: deadLetterContainer
      principalId: topics[index].outputs.principalId
    }
  }
]

module subscriptions 'event-subscription.bicep' = [
  for (source, index) in sources: {
    scope: resourceGroup(source.subscriptionId, source.resourceGroup)
    params: {
      topicName: topicNames[index]
      accountId: resourceId('Microsoft.Storage/storageAccounts', accountName)
      deadLetterContainer: deadLetterContainer
      source: source
    }
    // Event Grid tries the identity's right when the subscription is made.
    dependsOn: [senders[index]]
  }
]
