"""The person's wish to stop, asked for from every thread of a worker."""

import threading
from collections.abc import Callable

from nodes.spec import Stopped


def _unheard() -> None:
    """Nobody listens for beats."""


class StopSwitch:
    """Pressed by the server, checked by nodes between steps and by hooks between blocks of a network.

    Args:
        beat: called at a check after the press: something in the worker still reaches its checks.
    """

    def __init__(self, beat: Callable[[], None] = _unheard) -> None:
        self._pressed = threading.Event()
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
        self._pressed.clear()

    def check(self) -> None:
        """Do nothing, or end what runs.

        Raises:
            Stopped: Stop was asked for.
        """
        if self._pressed.is_set():
            self._beat()
            raise Stopped
