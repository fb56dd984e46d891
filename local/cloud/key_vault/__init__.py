"""Azure Key Vault: its secrets, with versions, soft deletion, and who may do what with them."""
