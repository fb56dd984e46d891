"""Microsoft Graph v1.0 (and beta alike): applications, service principals, groups and what a credential broker does to them."""
