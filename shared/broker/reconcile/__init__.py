"""Reconciling Azure with the leases."""
