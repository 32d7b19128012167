"""What can go wrong in a demo."""


class DemoError(Exception):
    """The demo cannot go on; the message says which part failed and what that part said."""
