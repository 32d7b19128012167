"""Make events of the past from git, API exports and tables. No network is used."""
