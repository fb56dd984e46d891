"""Azure Key Vault: its names and port answer that there is none yet."""
