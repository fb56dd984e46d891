"""The events that the broker publishes for others: what each tells, and its schema. Pure."""
