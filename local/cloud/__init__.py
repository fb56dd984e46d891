"""The local cloud: the parts of Entra ID, Microsoft Graph and Azure Resource Manager that a broker touches."""
