"""Build valid events from flags, variables and JSON lines. Pure."""
