"""Check whether Prometheus keeps what it is given."""
