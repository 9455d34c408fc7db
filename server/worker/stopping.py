"""The person's wish to stop, asked for from every thread of a worker."""

import threading
from collections.abc import Callable

from nodes.spec import Stopped


def _unheard() -> None:
    """Nobody listens for beats."""


class StopSwitch:
    """Pressed by the server, checked by nodes between steps and by hooks between blocks of a network.

    Args:
        beat: called at the first check after the press: what runs has heard it, and may take its time to end. Whoever
            comes back to check again has swallowed it, which is no sign of progress.
    """

    def __init__(self, beat: Callable[[], None] = _unheard) -> None:
        self._pressed = threading.Event()
        self._heard = False
        self._beat = beat

    @property
    def pressed(self) -> bool:
        """Whether Stop was asked for since `clear`."""
        return self._pressed.is_set()

    def press(self) -> None:
        """Ask for Stop."""
        self._pressed.set()

    def clear(self) -> None:
        """Forget it: a new job begins."""
        self._heard = False
        self._pressed.clear()

    def check(self) -> None:
        """Do nothing, or end what runs.

        Raises:
            Stopped: Stop was asked for.
        """
        if self._pressed.is_set():
            if not self._heard:
                self._heard = True
                self._beat()
            raise Stopped
