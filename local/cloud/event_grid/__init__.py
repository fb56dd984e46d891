"""Azure Event Grid: topics, what is published to them, and how subscriptions get it delivered."""
