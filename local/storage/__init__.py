"""Azure Storage on this machine: Azurite, started and stopped."""
