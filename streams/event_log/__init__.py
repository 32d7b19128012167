"""Validate messages of the event log, find their schemas, and make dead letters of the others."""
