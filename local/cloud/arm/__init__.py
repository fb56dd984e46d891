"""Azure Resource Manager: role assignments and definitions, authorization, resource groups and locks."""
