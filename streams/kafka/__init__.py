"""Ask Kafka about topics, offsets and groups, create topics, read spans."""
