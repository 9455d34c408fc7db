"""Training state on disk: written whole or not at all, so that a run cut off anywhere goes on exactly."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn


class Optimizer(Protocol):
    """What a state is kept of: `Muon`, and torch's own."""

    def state_dict(self) -> dict[str, Any]:
        """Everything a later run needs to go on exactly."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up what `state_dict` gave."""
        ...


@dataclass(frozen=True, slots=True)
class Run:
    """Where a training run keeps its state, how often it writes it, and after how many steps this call stops.

    `stop_at` cuts a call short (for tests and for machines lent for a while); the next call goes on from there.
    """

    folder: Path
    save_every: int = 200
    stop_at: int | None = None

    def resume(self, model: nn.Module, optimizer: Optimizer) -> int:
        """Load the last state, if there is one; returns the number of steps already done."""
        if not self._file.exists():
            return 0
        state = torch.load(self._file, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])

    def save(self, model: nn.Module, optimizer: Optimizer, step: int) -> None:
        """Write the state after `step` steps."""
        self.folder.mkdir(parents=True, exist_ok=True)
        part = self._file.with_suffix(".part")
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step}, part)
        part.replace(self._file)

    def due(self, step: int, steps: int) -> bool:
        """Whether the state is to be written after `step` of `steps` steps."""
        return step % self.save_every == 0 or step in (steps, self.stop_at)

    def note(self, line: str) -> None:
        """Add a line to the run's log and print it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log.txt").open("a", encoding="utf-8") as log:
            log.write(line + "\n")
        print(f"{self.folder.name}: {line}", flush=True)

    @property
    def _file(self) -> Path:
        return self.folder / "state.pt"
