"""Rebuild state and outputs beside the running workers, and audit them."""
