"""Collect what the CI job, git and the repository's service map say about an event."""
