"""Hold every rule of the numbers. Pure: no client, clock, logger or environment."""
