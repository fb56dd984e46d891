"""Every call received, in order."""
