"""The part key_vault_secret: a lease's credential as a secret in an Azure Key Vault. It is no kind of credential."""
