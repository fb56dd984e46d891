"""Issuing: a new lease, a repeat of a request, a fresh secret for a lease."""
