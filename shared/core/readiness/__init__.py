"""What it means that a credential works: how it can be seen, what an answer says of it, and what was seen. Pure."""
