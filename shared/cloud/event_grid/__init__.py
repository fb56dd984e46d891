"""Azure Event Grid, to which the broker publishes its events."""
