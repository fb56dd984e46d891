"""The HTTP API: the edge, its routes, and how requests and answers look."""
