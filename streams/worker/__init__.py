"""Run the core on Kafka with Faust."""
