"""Show progress and results to people and CI systems."""
