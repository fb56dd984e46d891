"""What stands in for Azure on a machine that has none. For development and tests; never deploy it."""
