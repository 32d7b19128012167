"""How senders and callers of the sidecar prove who they are."""
