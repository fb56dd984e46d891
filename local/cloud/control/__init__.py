"""The control API, and what puts objects straight into the tenant: what set-up and tests start from."""
