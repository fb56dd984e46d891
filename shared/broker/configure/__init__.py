"""Writes, reads and deletes roles, auth roles and policies, and exports and imports all of them."""
