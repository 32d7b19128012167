"""Compute numbers from events without a worker: from a file or the log."""
