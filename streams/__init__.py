"""Turn the event log into delivery metrics: the command `candora`."""
