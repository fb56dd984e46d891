"""The end of a lease: how it is found due, undone, queued, and what becomes of it when that fails."""
