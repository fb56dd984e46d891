"""What starts the broker's work: HTTP requests and timers. The only importer of azure.functions."""
