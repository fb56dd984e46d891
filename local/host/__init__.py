"""The function host: HTTP, timer and queue triggers over the library that Azure's own Python worker is made of."""
