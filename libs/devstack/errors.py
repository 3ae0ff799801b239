"""What the command tells its user instead of a traceback."""


class StackError(Exception):
    """The stack cannot do this; the message says why and what would help, ready to be printed."""
