"""Memory ran out: let go of what can be computed or loaded again, and say what was held."""

from dataclasses import replace

from server.graph.outcome import Failure
from server.memory import readable
from server.worker.outputs import Outputs
from server.worker.parts import WorkerParts

AGAIN = "Memory ran out. Models and kept results were let go, and the node is tried once more."


class Room:
    """What of a worker's memory can be had back."""

    def __init__(self, parts: WorkerParts, outputs: Outputs) -> None:
        self._parts = parts
        self._outputs = outputs

    def make(self) -> str:
        """Let go of models that nobody uses and of kept results; what was held, in words."""
        held = self._held()
        self._parts.memory_ran_out()
        self._parts.free_models()
        self._outputs.clear()
        self._parts.release()
        return held

    def _held(self) -> str:
        models = ", ".join(f"{name} {readable(size)}" for name, size in self._parts.models().items())
        said = [f"models: {models or 'none'}", f"results: {readable(self._outputs.held)}"]
        for device in self._parts.devices():
            total, free = device.get("vram_total"), device.get("vram_free")
            if isinstance(total, int) and isinstance(free, int):
                said.append(f"{device.get('name')}: {readable(free)} of {readable(total)} free")
        return "; ".join(said)


def told(failure: Failure, held: str, *, twice: bool) -> Failure:
    """The failure of a node that ran out of memory, with what was held then."""
    tries = (
        " It was tried twice: before the second time, models and kept results were let go." if twice else ""
    )
    return replace(failure, hint=f"{failure.hint}{tries} Held when memory ran out: {held}.".strip())
