"""How a host run may end. Raised where it is known, caught once, in the passage."""


class Failed(Exception):
    """It ends as failed, for the reason given."""


class Cancelled(Exception):
    """It ends as cancelled: nothing of it runs on the host any more."""


class Paused(Exception):
    """It stands still between two steps, until a person lets it go on."""


class Held(Exception):
    """It stands before its first disruptive step, until it may go down."""


class Unknown(Exception):
    """The outcome of a step cannot be known; only a person's answer leads on."""


class Skipped(Exception):
    """There is nothing to do on this host."""
