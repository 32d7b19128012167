"""Show progress, durations, errors and versions to people."""
