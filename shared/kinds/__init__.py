"""What a kind of credential is, and what its issuers call."""
