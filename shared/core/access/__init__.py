"""Who may have what: pure decisions."""
