"""Azure Key Vault: who may list the secrets of a vault, which holds none yet."""
