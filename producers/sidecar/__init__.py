"""Run the long-running sidecar: HTTP, webhooks, a durable spool."""
