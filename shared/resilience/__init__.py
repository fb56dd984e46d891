"""The small runtime under the broker: retrying, rate limits, priorities, and tasks that end together."""
