"""Compare everything published with the log, field by field, while it runs."""
