"""Send events to a sidecar over HTTP, with the standard library alone."""
