"""The serving process: reads the compacted outputs to their end, then answers Prometheus."""
