"""What the broker tells others of, and how events leave the outbox (docs/events.md)."""
