"""What goes wrong, as Azure lets it: late replication, faults on demand, changes that meet."""
