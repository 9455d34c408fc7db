"""Pictures of the starter model by Weft's own nodes in this process, on a device of one's choice."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nodes import starter
from nodes.builtin import all_nodes
from nodes.diffusion.models.files import ContentHashes
from nodes.diffusion.models.load import Placement
from nodes.diffusion.pool import Pool
from nodes.diffusion.values import CheckpointRef, Clip, Conditioning, Latent, Model, Vae
from server.workspace import Workspace
from tests.builtin.surroundings import Surroundings

PLENTY = 10**10
SEED = 7


def starter_reference() -> CheckpointRef:
    return ContentHashes().reference(starter.path())


@dataclass
class Studio:
    """Nodes over one pool.

    Attributes:
        placement: where its networks are.
        budget: bytes of weights that stay.
    """

    placement: Placement
    budget: int = PLENTY
    reference: CheckpointRef = field(default_factory=starter_reference)
    model: Model = field(init=False)

    def __post_init__(self) -> None:
        self.model = Model(self.reference)
        self.pool = Pool(self.placement, self.budget)
        files = Workspace(Path(tempfile.mkdtemp(prefix="weft-studio-")))
        self.context = Surroundings(files, {Pool: self.pool}, previews=False)
        self._nodes: dict[str, Callable[..., Any]] = {node.spec.id: node.run for node in all_nodes()}

    @torch.inference_mode()
    def latents(
        self, sampler: str = "euler", steps: int = 4, side: int = 64, model: Model | None = None
    ) -> Tensor:
        """What KSampler gives for a square picture of so many pixels."""
        return self._nodes["KSampler"](
            self.context,
            model=model or self.model,
            seed=SEED,
            steps=steps,
            cfg=3.0,
            sampler_name=sampler,
            scheduler="simple",
            positive=self._positive,
            negative=self._negative,
            latent_image=Latent(torch.zeros(1, 4, side // 8, side // 8)),
            denoise=1.0,
        ).samples

    @torch.inference_mode()
    def picture(self, latents: Tensor) -> Tensor:
        """The picture of latents, Float32[1 height width 3]."""
        return self._nodes["VAEDecode"](self.context, samples=Latent(latents), vae=Vae(self.reference))

    @cached_property
    def _positive(self) -> Conditioning:
        return self._said("a red apple")

    @cached_property
    def _negative(self) -> Conditioning:
        return self._said("")

    def _said(self, words: str) -> Conditioning:
        return self._nodes["CLIPTextEncode"](self.context, clip=Clip(self.reference), text=words)


def apart(one: Tensor, other: Tensor) -> float:
    """Root of the mean square difference, over that of `other`."""
    return float(((one - other).pow(2).mean() / other.pow(2).mean()).sqrt())
