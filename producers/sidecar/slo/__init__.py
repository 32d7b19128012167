"""Hold resolutions back until the service meets its SLO again."""
