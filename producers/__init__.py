"""Report events from pipelines, rollouts and pagers: the command `candora-ci`."""
