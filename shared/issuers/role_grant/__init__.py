"""The kind role_grant: role assignments to the lease's holder itself, for the time of the lease. It has no secret."""
