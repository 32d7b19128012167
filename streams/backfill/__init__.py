"""`candora backfill metrics`: the past, as Prometheus would hold it had it scraped all the while."""
