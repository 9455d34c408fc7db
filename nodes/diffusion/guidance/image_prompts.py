"""Pictures beside the prompt: IP-Adapters, as a rule on a U-Net's attention.

Source: Ye et al. 2023 (IP-Adapter, arXiv:2308.06721), eqs. 4 and 5.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from nodes.diffusion.changes import Attend, Attention, NetworkChanges, Place, Way
from nodes.diffusion.denoiser import SaysWhatItReads
from nodes.diffusion.errors import DiffusionError
from nodes.diffusion.guidance.rule import Evaluation
from nodes.diffusion.lending import ImagePromptAdapter, PictureLayers
from nodes.diffusion.values import Rule

XL = "Stable Diffusion XL"
STYLE, LAYOUT = (Way.OUTPUT, 1), (Way.INPUT, 8)
# Which attentions read the picture, by what people choose; all of them where none is named.
# Source: Wang et al. 2024 (InstantStyle, arXiv:2404.02733), section 3.2.
WHERE: Mapping[str, frozenset[tuple[Way, int]]] = {
    "standard": frozenset(),
    "style (SDXL)": frozenset((STYLE,)),
    "layout (SDXL)": frozenset((LAYOUT,)),
    "style and layout (SDXL)": frozenset((STYLE, LAYOUT)),
}
Mixtures = Mapping[Place, tuple[Tensor, Tensor]]


@dataclass(frozen=True, slots=True, eq=False)
class ImagePrompt(Rule):
    """Pictures that a U-Net reads beside the text, through an IP-Adapter.

    Attributes:
        shown, blank: tokens for each side of guidance, Float[1 token feature].
        weight: how much they count beside the text.
        mask: where they count, Float[1 height width] in 0..1; None: everywhere.
        where: a name in `WHERE`.
    """

    adapter: ImagePromptAdapter
    shown: Tensor
    blank: Tensor
    weight: float = 1.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    mask: Tensor | None = None
    where: str = "standard"

    def inside(self, at: Evaluation) -> NetworkChanges:
        """As `WorksInside`.

        Raises:
            DiffusionError: the adapter is for another family of models, or the choice of places is.
        """
        if self.weight == 0.0 or not at.within(self.start_percent, self.end_percent):
            return NetworkChanges()
        if "mixtures" not in at.kept:
            at.kept["mixtures"] = self._mixtures(at)
        positive, negative = at.kept["mixtures"]
        masks: dict[int, Tensor] = {}

        def change(attention: Attention, attend: Attend) -> Tensor:
            made = attend(attention)
            if attention.place not in positive or not self._counts(attention.place):
                return made
            sides = attention.sides or (0,)
            share = len(attention.queries) // len(sides)
            pairs = [(negative if side else positive)[attention.place] for side in sides]
            keys, values = (
                torch.cat([pair[kind].expand(share, -1, -1) for pair in pairs]) for kind in (0, 1)
            )
            mixed = attention.further(keys, values) * self.weight
            if self.mask is not None:
                count = mixed.shape[1]
                if count not in masks:
                    masks[count] = _at_queries(self.mask, count, attention.height, attention.width)
                mixed = mixed * masks[count].to(mixed)
            return made + attention.adds(mixed)

        return NetworkChanges(attention=(change,))

    def _counts(self, place: Place) -> bool:
        chosen = WHERE[self.where]
        return not chosen or (place.way, place.number) in chosen

    def _mixtures(self, at: Evaluation) -> tuple[Mixtures, Mixtures]:
        """Keys and values of the tokens of both sides, at every attention."""
        network = at.network
        called = network.called if isinstance(network, SaysWhatItReads) else ""
        if WHERE[self.where] and called != XL:
            raise DiffusionError(
                f"The weight type {self.where!r} names places of {XL}; this model is {called or 'another'}.",
                "Choose the weight type standard.",
            )
        if at.lend is None:
            raise ValueError("A model has an IP-Adapter, but nothing was given that loads it.")
        layers = at.lend(self.adapter)
        assert isinstance(layers, PictureLayers)
        return layers.mixtures(self.shown), layers.mixtures(self.blank)


def _at_queries(mask: Tensor, count: int, height: int, width: int) -> Tensor:
    """A mask at the places of an attention's queries, Float[1 count 1]."""
    halved = ((-(-height // 2**level), -(-width // 2**level)) for level in range(8))
    rows = next((rows for rows, columns in halved if rows * columns == count), 0)
    rows = rows or round(math.sqrt(count * height / width))
    if not rows or count % rows:
        raise DiffusionError(
            "A mask of an IP-Adapter cannot be laid over what the model attends to at this size.",
            "Take out nodes that change the sizes inside the model (Deep Shrink), or the mask.",
        )
    return F.interpolate(mask[:1, None].float(), (rows, count // rows), mode="bicubic").reshape(1, count, 1)
