"""What every service runs on: calls and replies, routes, ports, tokens, the ledger. It knows no service and no tenant."""
