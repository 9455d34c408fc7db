"""What a node may raise: errors a person at the canvas can act on, and the request to stop."""


class NodeError(Exception):
    """Something a node cannot do, said so that the person at the canvas knows what to change.

    Args:
        message: what is wrong, in one sentence.
        hint: what to do about it; empty if the message already says it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[type["NodeError"], tuple[str, str]]:
        """Cross a process border as a plain NodeError: subclasses may have other constructors."""
        return (NodeError, (self.message, self.hint))


class Stopped(Exception):
    """The person pressed Stop: raised by `Context.check_stop`, never caught by a node."""


class SpecError(TypeError):
    """A node's declaration is not one: raised when the module is imported, for its author."""
