"""`candora report`: the weekly and quarterly delivery review."""
