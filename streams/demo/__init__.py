"""Simulate a company, with an embedded broker and a live table."""
