"""Whose jobs are whose, where several people show tokens of their own."""

from dataclasses import dataclass

EVERYBODY = "default"  # owns all jobs where nobody is told apart, and those that were queued before
BETWEEN = "/"  # no user's name holds it


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks.

    Attributes:
        id: the name of their folder, and the owner of the jobs that they queue.
        sees_all: sees and controls everybody's jobs and files, and the server itself.
    """

    id: str = EVERYBODY
    sees_all: bool = True

    @property
    def only(self) -> str | None:
        """The owner of all jobs that they see; None if they see everybody's."""
        return None if self.sees_all else self.id

    def owns(self, owner: str) -> bool:
        """Whether what that owner has is theirs to see and control."""
        return self.sees_all or owner == self.id

    def address(self, sid: str) -> str:
        """The address of a websocket client that calls itself `sid`: nobody hears what is told to another's."""
        return sid if self.id == EVERYBODY else f"{self.id}{BETWEEN}{sid}"


def told_to(address: str | None) -> str:
    """Whose client an address is."""
    owner, between, _ = (address or "").partition(BETWEEN)
    return owner if between else EVERYBODY
