"""Write the past as Prometheus blocks."""
