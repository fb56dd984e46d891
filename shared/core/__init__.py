"""What the broker knows and decides: pure, standard library only."""
