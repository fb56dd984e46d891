"""Events from outside: they are taken, checked against what stands in Azure, and acted on by rules."""
