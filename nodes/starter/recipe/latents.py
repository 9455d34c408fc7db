"""Encode every kept scene once, so that the autoencoder never runs in the U-Net's training loop."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from nodes.starter.recipe.autoencoder import means
from nodes.starter.recipe.drawings import Drawings, paper_values
from nodes.starter.recipe.scenes import Scene


@dataclass(frozen=True, slots=True)
class Latents:
    """Encoded scenes: `values` float16 (n, 4, side, side); `places` int32 (concept, style, paint, paper), -1 where none."""

    values: np.ndarray
    places: np.ndarray

    def of(self, scenes: list[Scene]) -> Tensor:
        """Latents of scenes, float32 (n, 4, side, side)."""
        rows = [self.places[scene.concept, scene.style, scene.paint, scene.paper] for scene in scenes]
        return torch.from_numpy(self.values[rows].astype(np.float32))


@torch.no_grad()
def encode(model: AutoencoderKL, drawings: Drawings, kept: np.ndarray) -> Latents:
    """Encode the pictures that `kept` (concept, style, paint, paper) marks, a drawing at a time."""
    model.to(memory_format=torch.channels_last).eval()
    papers = paper_values()
    places = np.full(kept.shape, -1, np.int32)
    places[kept] = np.arange(int(kept.sum()))
    parts = []
    for concept, style in np.argwhere(drawings.present):
        used = np.flatnonzero(kept[concept, style].any(1))
        for paints in np.array_split(used, min(2, len(used))):
            pictures = [
                drawings.on_papers(concept, style, n, papers[kept[concept, style, n]]) for n in paints
            ]
            stacked = torch.from_numpy(np.concatenate(pictures)).permute(0, 3, 1, 2)
            with torch.autocast("cpu", torch.bfloat16):
                encoded = means(model, stacked.contiguous(memory_format=torch.channels_last))
            parts.append(encoded.numpy().astype(np.float16))
    return Latents(np.concatenate(parts), places)


def save(latents: Latents, folder: Path) -> None:
    """Write both arrays as `.npy` files."""
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "values.npy", latents.values)
    np.save(folder / "places.npy", latents.places)


def load(folder: Path) -> Latents:
    """Read what `save` wrote."""
    return Latents(np.load(folder / "values.npy"), np.load(folder / "places.npy"))
