"""What ends a demo early."""


class DemoFailed(Exception):
    """The demo cannot go on; the text is for whoever typed `make demo`."""
