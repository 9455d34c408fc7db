"""Rules that steer a transformer by pictures, whatever the prompt: control networks of a model, and style references."""

from dataclasses import dataclass

from torch import Tensor

from nodes.diffusion.changes import NetworkChanges
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.values import ControlUse, Rule


@dataclass(frozen=True, slots=True, eq=False)
class Controlled(Rule):
    """A control network at work for both sides; `Conditioned` asks it beside those of the conditions."""

    use: ControlUse


@dataclass(frozen=True, slots=True, eq=False)
class StyleReferenced(Rule):
    """Tokens of a style that FLUX.1 reads before its text.

    Source: Wu et al. 2025 (USO, arXiv:2508.18966), section 3.2.

    Attributes:
        tokens: at the network's width, Float[1 token inner].
    """

    tokens: Tensor

    def inside(self, _at: Evaluation) -> NetworkChanges:
        """As `WorksInside`."""
        return NetworkChanges(words=(self.tokens,))
