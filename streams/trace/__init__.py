"""Trace a commit to its deployment and incident, and back."""
