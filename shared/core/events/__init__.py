"""Events in: what one is, and the rules that say what an event of Azure's makes the broker do. Pure."""
