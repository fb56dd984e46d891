"""Pools: leases that are made before anybody asks, and handed out at once."""
