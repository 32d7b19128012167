"""`candora-ci serve`: the long-running sidecar, and what it shares with `candora-ci explain`."""
