"""`candora-ci history`: events of the past, from git and from what other systems export. No network is asked."""
