"""Keep messages on disk until they are delivered: a queue that survives crashes."""
