"""All packs that run in processes of their own: their nodes beside the others."""

from collections.abc import Callable, Mapping, Sequence

from nodes.spec import Codec, Registry
from server.worker.apart import Apart
from server.worker.parts import Factory, PackReport, Publish


class Separate:
    """Implements what `WorkerParts` asks of packs, for those that run apart.

    Args:
        registry: takes their nodes in.
        factory: what furnishes the process of a pack, by its name.
        codec, publish: see `Apart`.
    """

    def __init__(
        self, registry: Registry, factory: Callable[[str], Factory], codec: Codec, publish: Publish
    ) -> None:
        self._registry = registry
        self._factory = factory
        self._codec, self._publish = codec, publish
        self._processes: list[Apart] = []

    def load(self, packs: Mapping[str, str]) -> Sequence[PackReport]:
        """Start a process for each of these packs, given by name and place; how they fared."""
        for name, path in packs.items():
            apart = Apart(name, path, self._factory(name), self._codec, self._publish)
            for node in apart.load():
                self._registry.add(node)
            self._processes.append(apart)
        return self.reports()

    def reports(self) -> Sequence[PackReport]:
        """How each fared, and what it has done until now."""
        return [report for each in self._processes for report in each.reports()]
