"""Table Storage and Queue Storage."""
