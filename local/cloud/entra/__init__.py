"""Entra ID: discovery, signing keys, and the token endpoints for applications."""
