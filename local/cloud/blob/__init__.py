"""Blob storage: lists of containers and blobs, and blobs themselves, for tokens of Entra ID and by role assignments."""
