// A system topic's events, as far as they pass the filters, put on the broker's queue with the identity of the topic.

import { EventSource } from 'types.bicep'

@description('Name of the topic, in this resource group.')
param topicName string

@description('Resource id of the broker\'s storage account.')
param accountId string

@description('Container for what could not be delivered. Empty: it is dropped.')
param deadLetterContainer string

@description('The source, with its filters.')
param source EventSource

@description('Those of which a rule can speak.')
var ruled = ['Microsoft.Resources.ResourceWriteSuccess', 'Microsoft.Resources.ResourceDeleteSuccess']

@description('With what the topic signs in to storage.')
var ownIdentity = { type: 'SystemAssigned' }

@description('Seven days, in seconds: as long as the broker may be away.')
var messagesLive = 604800

resource topic 'Microsoft.EventGrid/systemTopics@2025-02-15' existing = {
  name: topicName
}

resource toTheBroker 'Microsoft.EventGrid/systemTopics/eventSubscriptions@2025-02-15' = {
  parent: topic
  name: 'leasehold'
  properties: {
    // In this schema `topic` is Event Grid's own word. As a CloudEvent, it would be the `source`.
    eventDeliverySchema: 'EventGridSchema'
    filter: {
      includedEventTypes: source.?types ?? ruled
      subjectBeginsWith: source.?subjectBeginsWith ?? ''
      advancedFilters: empty(source.?operations ?? [])
        ? []
        : [
            {
              operatorType: 'StringIn'
              key: 'data.operationName'
              values: source.?operations
            }
          ]
    }
    deliveryWithResourceIdentity: {
      identity: ownIdentity
      destination: {
        endpointType: 'StorageQueue'
        properties: {
          resourceId: accountId
          queueName: 'events'
          queueMessageTimeToLiveInSeconds: messagesLive
        }
      }
    }
    retryPolicy: {
      eventTimeToLiveInMinutes: 1440
      maxDeliveryAttempts: 30
    }
    ...(empty(deadLetterContainer)
      ? {}
      : {
          deadLetterWithResourceIdentity: {
            identity: ownIdentity
            deadLetterDestination: {
              endpointType: 'StorageBlob'
              properties: {
                resourceId: accountId
                blobContainerName: deadLetterContainer
              }
            }
          }
        })
  }
}
