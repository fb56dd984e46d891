"""Azure Key Vault: secrets, by azure-keyvault-secrets."""
