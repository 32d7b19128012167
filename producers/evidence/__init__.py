"""Evidence from the reports that test runners, scanners and builders write, one pure module a format."""
