"""Configure Kafka clients and ask the schema registry."""
