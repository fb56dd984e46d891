"""The broker: authenticates callers, decides, mints credentials under a lease, and takes them back."""
