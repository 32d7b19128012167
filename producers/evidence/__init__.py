"""Read reports of test runners, scanners and builders; one pure module a format."""
