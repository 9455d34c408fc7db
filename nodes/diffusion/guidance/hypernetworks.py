"""Hypernetworks at work, as a rule on a U-Net's attention."""

from dataclasses import dataclass

from torch import Tensor

from nodes.diffusion.changes import Attend, Attention, NetworkChanges
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.lending import ChangesReading, Hypernetwork
from nodes.diffusion.values import Rule


@dataclass(frozen=True, slots=True)
class Hypernetworked(Rule):
    """What every attention reads is changed by small networks, those for keys and those for values."""

    hypernetwork: Hypernetwork
    strength: float = 1.0

    def inside(self, at: Evaluation) -> NetworkChanges:
        """As `WorksInside`."""
        if at.lend is None:
            raise ValueError("A model has a hypernetwork, but nothing was given that loads it.")
        networks = at.lend(self.hypernetwork)
        assert isinstance(networks, ChangesReading)

        def change(attention: Attention, attend: Attend) -> Tensor:
            keys = networks.changed(attention.keys, "keys", self.strength)
            values = networks.changed(attention.values, "values", self.strength)
            return attend(attention.on(attention.queries, keys, values))

        return NetworkChanges(attention=(change,))
