"""Deliver events: encode, publish to Kafka or a sidecar, spool what cannot be sent, report outcomes."""
