"""Export the published snapshots to Prometheus, complete before the first answer."""
