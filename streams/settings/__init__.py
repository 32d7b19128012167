"""Read the settings of an installation from the environment."""
