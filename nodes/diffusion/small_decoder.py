"""Small decoders: a network of a few megabytes that shows latents much as their VAE would, quick enough for previews.

Source: Ollin Boer Bohan's Tiny AutoEncoder for Stable Diffusion (TAESD), whose files people keep in `models/vae_approx`;
the network is read off their tensors' names, a plain row of layers.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from nodes.diffusion.errors import CheckpointUnreadable
from nodes.diffusion.models.build import fill, unfilled
from nodes.diffusion.models.files import Shape, open_weights

REACH = 3.0  # latents beyond it are bent back
FIRST = "1.weight"
DIFFUSERS = "decoder.layers."


@dataclass(frozen=True, slots=True, eq=False)
class SmallDecoder:
    """A loaded small decoder.

    Attributes:
        channels: of the latents that it reads.
    """

    module: nn.Module
    channels: int
    device: torch.device

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """The picture, Float32[batch height width 3] in 0..1, of latents at the model's scale."""
        made: Tensor = self.module(latents.to(self.device, torch.float32))
        return made.clamp(0.0, 1.0).movedim(1, -1).cpu().contiguous()


def load_small_decoder(path: Path, device: torch.device) -> SmallDecoder:
    """A small decoder from its file, in its maker's or in diffusers' layout.

    Raises:
        CheckpointMissing, CheckpointUnreadable: it is not there, damaged, or no decoder of this kind.
    """
    weights = open_weights(path)
    names = [(name, name) for name in weights.shapes]
    if any(name.startswith(DIFFUSERS) for name in weights.shapes):
        names = [(name, _counted_from_one(name)) for name in weights.shapes if name.startswith(DIFFUSERS)]
    shapes = {ours: weights.shapes[theirs] for theirs, ours in names}
    if FIRST not in shapes or len(shapes[FIRST]) != 4:
        raise CheckpointUnreadable(
            path, "it is no small decoder", "Get the file of that name from its maker (TAESD)."
        )
    module = unfilled(lambda: _row(shapes), path)
    fill(module, weights, names, device, torch.float32)
    return SmallDecoder(module, shapes[FIRST][1], device)


class Bent(nn.Module):
    """Latents kept within a reach, smoothly."""

    def forward(self, latents: Tensor) -> Tensor:
        return torch.tanh(latents / REACH) * REACH


class Block(nn.Module):
    """Three convolutions around which the input goes too."""

    def __init__(self, wide_in: int, wide_out: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(wide_in, wide_out, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(wide_out, wide_out, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(wide_out, wide_out, 3, padding=1),
        )
        self.skip = nn.Identity() if wide_in == wide_out else nn.Conv2d(wide_in, wide_out, 1, bias=False)

    def forward(self, planes: Tensor) -> Tensor:
        changed: Tensor = self.conv(planes) + self.skip(planes)
        return torch.relu(changed)


def _row(shapes: dict[str, Shape]) -> nn.Sequential:
    """The layers in order: those that have tensors as these say; the first has none, nor have ReLU and doublings."""
    last = max(int(name.partition(".")[0]) for name in shapes)
    layers: list[nn.Module] = [Bent()]
    for place in range(1, last + 1):
        block, plain = shapes.get(f"{place}.conv.0.weight"), shapes.get(f"{place}.weight")
        if block is not None:
            layers.append(Block(block[1], block[0]))
        elif plain is not None:
            bias = f"{place}.bias" in shapes
            layers.append(nn.Conv2d(plain[1], plain[0], plain[2], padding=plain[2] // 2, bias=bias))
        else:
            layers.append(nn.ReLU() if place == 2 else nn.Upsample(scale_factor=2))
    return nn.Sequential(*layers)


def _counted_from_one(name: str) -> str:
    """The name with the first layer counted, which diffusers leaves out."""
    place, _, rest = name.removeprefix(DIFFUSERS).partition(".")
    return f"{int(place) + 1}.{rest}"
