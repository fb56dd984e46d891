"""Entra ID: callers' tokens, and the broker's own identity."""
