"""The client of a sidecar: events by HTTP instead of Kafka, with the standard library alone."""
