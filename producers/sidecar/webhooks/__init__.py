"""Map each source's webhooks to events; one pure module a source."""
