"""What each source's webhooks mean, one pure module a source."""
