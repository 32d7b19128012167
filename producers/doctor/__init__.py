"""Check everything that sending an event depends on, and say what to do."""
