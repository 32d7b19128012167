"""Write the weekly and quarterly delivery review."""
