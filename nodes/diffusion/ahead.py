"""Reading what comes next while something computes: a thread that loads parts before they are asked for."""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread

import torch

from nodes.diffusion.errors import DiffusionError, is_no_memory
from nodes.diffusion.holding import Build, Loaded
from nodes.diffusion.models.detect import Part

Home = Callable[[Path, Build], Loaded]


@dataclass(frozen=True, slots=True, eq=False)
class Expected:
    """A part that will be asked for."""

    part: Part
    path: Path
    content: str
    build: Build

    @property
    def key(self) -> tuple[object, ...]:
        return self.part, self.content, self.build.types


@dataclass(slots=True, eq=False)
class Ahead:
    """Loads one expected part at a time. Safe to use from several threads.

    Args:
        home: loads a part where it waits.
        fits: whether a part may be read now, beside what is there.
    """

    home: Home
    fits: Callable[[Expected], bool]
    _lock: Lock = field(default_factory=Lock)
    _wanted: list[Expected] = field(default_factory=list[Expected])
    _done: dict[tuple[object, ...], Loaded] = field(default_factory=dict[tuple[object, ...], Loaded])
    _thread: Thread | None = None
    _doing: Expected | None = None

    def expect(self, expected: Expected) -> None:
        """This part will be asked for."""
        with self._lock:
            if all(one.key != expected.key for one in self._wanted):
                self._wanted.append(expected)

    def begin(self) -> None:
        """Something computes from now on: read what comes next, unless something is being read or waits."""
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                return
            following = None if self._done else next(filter(self.fits, self._wanted), None)
            if following is None:
                return
            self._wanted.remove(following)
            self._doing = following
            inference = torch.is_inference_mode_enabled()
            self._thread = Thread(
                target=self._load, args=(following, inference), daemon=True, name="reading ahead"
            )
            self._thread.start()

    def take(self, part: Part, content: str, build: Build) -> Loaded | None:
        """A part, if it was read; one that is being read is waited for."""
        key = (part, content, build.types)
        with self._lock:
            self._wanted = [one for one in self._wanted if one.key != key]
            thread = self._thread if self._doing is not None and self._doing.key == key else None
        if thread is not None:
            thread.join()
        with self._lock:
            return self._done.pop(key, None)

    def wait(self) -> None:
        """Until nothing is being read."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def forget(self) -> None:
        """Nothing is expected, and what was read is let go."""
        self.wait()
        with self._lock:
            self._wanted.clear()
            self._done.clear()
            self._thread = self._doing = None

    def _load(self, expected: Expected, inference: bool) -> None:
        try:
            read_soon(expected.path)
            with torch.inference_mode(mode=inference):
                loaded = self.home(expected.path, expected.build)
        except (DiffusionError, OSError):
            return  # whoever asks for it is told
        except RuntimeError as error:
            if not is_no_memory(error):
                raise
            return
        with self._lock:
            self._done[expected.key] = loaded


def read_soon(path: Path) -> None:
    """Ask the system to read a file into memory, as far as it has room, while others work."""
    if not path.is_file() or not hasattr(os, "posix_fadvise"):
        return
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
