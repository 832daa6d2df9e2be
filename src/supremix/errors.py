"""The one exception for what a user can get wrong: a missing file, a damaged row, an impossible setting."""


class UserError(Exception):
    """A mistake in the data or the settings; its message says what is wrong, where, and what to do.

    The message is always one line. Command lines print it as ``error: <message>`` on stderr and exit with
    status 1, without a traceback.
    """

    def __init__(self, message: str) -> None:
        # Messages quote file contents and other libraries' errors, either of which may span lines.
        super().__init__(" ".join(message.splitlines()))
