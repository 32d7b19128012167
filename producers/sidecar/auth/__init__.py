"""Authenticate senders and callers, and limit what each may report."""
