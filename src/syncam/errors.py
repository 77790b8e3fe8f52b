"""The one error that means: the input was wrong, and here is what to do."""

__all__ = ["InputError"]


class InputError(ValueError):
    """Bad input from a user: one line that says what was wrong, what was expected, what came and what to do.

    The command line prints it without a traceback and exits with code 2.
    """
