"""Errors of the demo."""


class DemoError(Exception):
    """The demo cannot continue; the message names the part that failed and its error."""
