"""Who may do what in Azure: role definitions, assignments, scopes and conditions. Every service that asks shares this."""
